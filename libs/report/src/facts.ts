import { isGraph } from '@esparse/model';
import { formatPattern } from '@esparse/sparsity';
import { bytesInWords, secondsInWords, type Fact } from '@esparse/report-page';
import type { Run } from '@esparse/store';
import { bitsPerWeight, sizesOf, type Gathered } from './gathered.ts';
import type { ReportOptions } from './gather.ts';
import type { PruneLog } from './prune-log.ts';
import { percentInWords } from './words.ts';

/** The head of the report: what was pruned, how, to which size, and what it took. */
export function factsOf(
  run: Run,
  gathered: Gathered,
  { store, log, frontier = [] }: ReportOptions,
  storedBytes: number | undefined,
): Fact[] {
  const own = frontier.find(({ kind }) => kind === 'this');
  return [
    ...modelFacts(gathered),
    ...(own?.perplexity === undefined ? [] : [fact('Model', 'Perplexity', own.perplexity.toFixed(3))]),
    ...pruningFacts(gathered),
    ...sizeFacts(gathered, storedBytes),
    ...(log === undefined ? [] : logFacts(log)),
    fact('Run', 'Store', store),
    fact('Run', 'Fingerprint', run.fingerprint),
    fact('Run', 'Numerics', gathered.attributes.numerics),
  ];
}

function modelFacts({ title, description, blocks }: Gathered): Fact[] {
  const committed = blocks.filter(({ state }) => state === 'committed').length;
  return [
    fact('Model', 'Name', title),
    fact('Model', 'Family', description.family),
    fact(
      'Model',
      'Blocks',
      isGraph(description)
        ? `${committed} of ${description.blocks} steps of the graph committed`
        : `${committed} of ${description.blocks} committed, ${description.hidden} channels`,
    ),
  ];
}

function pruningFacts({ attributes: { options } }: Gathered): Fact[] {
  const { pipeline, pattern, layers = {}, calibration } = options;
  const { parts } = pipeline;
  const given = Object.entries(pipeline.options).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const { samples, seqlen, seed } = calibration;
  const exceptions = Object.keys(layers).length;
  return [
    fact(
      'Pruning',
      'Pattern',
      `${formatPattern(pattern)}${exceptions > 0 ? `, ${exceptions} linears otherwise` : ''}`,
    ),
    fact('Pruning', 'Pipeline', pipeline.name),
    fact('Pruning', 'Options', given.join(', ') || 'none'),
    ...(parts === undefined
      ? []
      : [
          fact('Pruning', 'Metric', parts.metric.name),
          fact('Pruning', 'Shuffle', parts.shuffle.name),
          fact('Pruning', 'Stages', parts.stages.map(({ name }) => name).join(', ') || 'none'),
        ]),
    fact('Pruning', 'Calibration', `${samples} x ${seqlen} tokens, seed ${seed}`),
  ];
}

function sizeFacts({ blocks }: Gathered, storedBytes: number | undefined): Fact[] {
  const { weights, bytes, permutationBytes } = sizesOf(blocks);
  const bits = bitsPerWeight(blocks);
  if (bits === undefined) return [];
  return [
    fact('Size', 'Linears before', `${bytesInWords(2 * weights)}, 16 bits a weight`),
    fact('Size', 'Linears after', `${bytesInWords(bytes)}, ${percentInWords(bytes / (2 * weights))}`),
    fact('Size', 'Orders of channels', bytesInWords(permutationBytes)),
    fact('Size', 'Bits a weight', bits.toFixed(2)),
    ...(storedBytes === undefined ? [] : [fact('Size', 'Whole run', bytesInWords(storedBytes))]),
  ];
}

function logFacts({ workers, seconds = {}, peakResidentBytes, wireBytes, slowest }: PruneLog): Fact[] {
  const phases = Object.entries(seconds).filter(([phase]) => phase !== 'total');
  return [
    ...(seconds.total === undefined ? [] : [fact('Run', 'Time', secondsInWords(seconds.total))]),
    ...phases.map(([phase, value]) => fact('Run', `Time, ${phase}`, secondsInWords(value))),
    ...(peakResidentBytes === undefined
      ? []
      : [
          fact('Run', 'Peak memory, pruner', bytesInWords(peakResidentBytes.pruner)),
          fact('Run', 'Peak memory, workers', peakResidentBytes.workers.map(bytesInWords).join(', ')),
        ]),
    ...(slowest === undefined
      ? []
      : [
          fact(
            'Run',
            'Slowest operator',
            `${slowest.operator}, busy ${percentInWords(slowest.share)} of the time`,
          ),
        ]),
    ...(wireBytes === undefined ? [] : [fact('Run', 'Over the wire', bytesInWords(wireBytes))]),
    ...(workers.length === 0 ? [] : [fact('Run', 'Workers', workers.join(', '))]),
  ];
}

function fact(group: Fact['group'], name: string, value: string): Fact {
  return { group, name, value };
}
