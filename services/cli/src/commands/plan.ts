import { Command, Option } from 'commander';
import { planGraph, planRun, type GraphPlan, type RunPlan } from '@esparse/pruner';
import { withCancellation } from '../cancel.ts';
import { jsonOption } from '../options/shared.ts';
import { integer } from '../options/values.ts';
import { loadedEncoding } from '../options/encoding.ts';
import { loadedFamily } from '../options/family.ts';
import { layerOptions } from '../options/pattern.ts';
import { configuredPipeline } from '../options/pipeline.ts';
import { pruneOptions, usualSolver, type PruneFlags } from '../options/prune.ts';
import { uiOptions } from '../options/ui.ts';
import { bytes, table } from '../table.ts';

interface Flags extends Omit<PruneFlags, 'calibration' | 'store'> {
  readonly calibration?: string;
  readonly workers?: number;
  readonly json: boolean;
}

/** What is planned without: the memory of a text is counted where it is named, a store changes nothing. */
const NOT_NEEDED: ReadonlySet<string> = new Set(['calibration', 'store']);

/** `esparse plan` */
export function planCommand(): Command {
  const command = new Command('plan').description(
    'Shows beforehand what `prune` will read, send, write and hold with the same options, and about how long it will ' +
      'take on a machine like this one. Every option of `prune` is taken; those that change none of this have no effect.',
  );
  for (const option of [...pruneOptions(), ...uiOptions(undefined)]) {
    command.addOption(NOT_NEEDED.has(option.name()) ? option.makeOptionMandatory(false) : option);
  }
  command
    .addOption(
      new Option('--workers <n>', 'workers that will be used (default: as many as --worker names, or 1)')
        .env('ESPARSE_WORKERS')
        .argParser(integer(1, 4096)),
    )
    .addOption(jsonOption());
  return command.action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { json, layer, pattern, family, encoding: named, worker, ...flags }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadedFamily({ family });
  const encoding = await loadedEncoding({ encoding: named });
  const workers = flags.workers ?? worker?.length ?? 1;
  const pipeline = await configuredPipeline(flags);
  const { device, solver } = flags;
  const options = {
    ...{ ...flags, workers, ...layerOptions({ pattern, layer }), pipeline, encoding },
    solver: usualSolver({ device, solver }),
  };
  const graph = await planGraph(options, signal);
  if (graph !== undefined) {
    process.stdout.write(json ? `${JSON.stringify(graph)}\n` : renderGraph(graph));
    return;
  }
  const plan = await planRun(options, signal);
  process.stdout.write(json ? `${JSON.stringify(plan)}\n` : render(plan, flags));
}

function render(
  plan: RunPlan,
  { device = 'cpu', denseValues }: Pick<Flags, 'device' | 'denseValues'>,
): string {
  const { combine, read, wire, store, memory, seconds, measured, uncounted } = plan;
  const rows: [string, string][] = [
    ...plan.steps.map(({ kind, name, options }): [string, string] => [kind, `${name}${optionsOf(options)}`]),
    ['statistics', plan.statistics.join(', ') || 'none'],
    ['blocks', `${plan.blocks}`],
    ['calibration', `${plan.tokens} tokens in ${plan.shards} shards`],
    ['read by the pruner', bytes(read.pruner)],
    [`read by ${plan.workers} worker${plan.workers === 1 ? '' : 's'}`, bytes(read.workers)],
    ['over the wire, --combine pruner', bytes(wire.pruner)],
    ...(wire.worker === undefined
      ? []
      : [['over the wire, --combine worker, at most', bytes(wire.worker)] as [string, string]]),
    ['store, finished', bytes(store.bytes)],
    ['store, hidden states meanwhile', bytes(store.hidden)],
    ['memory of the pruner, at most', bytes(memory.pruner)],
    ['memory of a worker, at most', bytes(memory.worker)],
  ];
  if (memory.gpu !== undefined) rows.push(['memory of a GPU, at most', bytes(memory.gpu)]);
  if (plan.spilled > 0) rows.push(['temporary file of the pruner, at most', bytes(plan.spilled)]);
  if (plan.spilledByWorker > 0)
    rows.push(['temporary file of a worker, at most', bytes(plan.spilledByWorker)]);
  for (const [phase, value] of Object.entries(seconds))
    rows.push([`seconds, ${phase}, estimated`, value.toFixed(0)]);
  return (
    table([`${plan.family}, ${plan.pipeline} ${plan.pattern}, --combine ${combine}`, ''], rows) +
    patternsOf(plan, denseValues) +
    `\nThe estimate is from a measurement of a moment on this machine: ${(measured.flops / 1e9).toFixed(0)} GFLOP/s, ` +
    `reading ${bytes(measured.read)}/s, writing ${bytes(measured.write)}/s.\n` +
    (device.startsWith('cuda') ? "Seconds are those of this machine's processor: a GPU takes fewer.\n" : '') +
    (uncounted.length === 0
      ? ''
      : `Memory and time of ${uncounted.join(', ')} are not in it: they do not say what they take.\n`)
  );
}

/** The steps of a graph in their order, and what is left as it is. */
function renderGraph({ opset, pipeline, pattern, steps, largest, left, store }: GraphPlan): string {
  const rows = steps.flatMap(({ nodes, linears, sample }, step) =>
    linears.map(({ name, rows: height, cols, pattern: own }, i): string[] => [
      i === 0 ? `${step}` : '',
      i === 0 ? `${nodes}` : '',
      name,
      `${height} x ${cols}`,
      own,
      i === 0 && sample !== undefined ? bytes(sample.state) : '',
      i === 0 && sample !== undefined ? bytes(sample.taps) : '',
    ]),
  );
  const head = ['step', 'nodes', 'linear', 'shape', 'pattern', 'values before', 'inputs of linears'];
  return (
    table(head, rows) +
    `\nonnx, opset ${opset}, ${pipeline} ${pattern}, ${steps.length} steps; the finished store: ${bytes(store)}\n` +
    (largest === undefined
      ? 'With --calibration the bytes of a sample are told, too.\n'
      : `the largest step is ${largest.step}: ${bytes(largest.bytes)} of a sample\n`) +
    left.map(({ node, operator, why }) => `left as it is: ${node} (${operator}): ${why}\n`).join('')
  );
}

/** Which linears have which pattern, where not all have that of the run, and what becomes of those that are not pruned. */
function patternsOf({ pattern: usual, patterns, steps }: RunPlan, dense: Flags['denseValues']): string {
  if (patterns.every(({ pattern }) => pattern === usual)) return '';
  const tuned = steps.some(({ kind }) => kind === 'block stage') ? ', block stages too' : '';
  const what = (pattern: string) =>
    pattern === 'dense' && dense !== undefined ? `dense (${dense}${tuned})` : pattern;
  const lines = patterns.map(
    ({ pattern, linears, names }) =>
      `  ${what(pattern)}, ${linears} linear${linears === 1 ? '' : 's'}: ${names.join(' ')}\n`,
  );
  return `\nPatterns, by names as --layer takes them:\n${lines.join('')}`;
}

/** Such as ' (alpha 1, bins 100)'. */
function optionsOf(options: RunPlan['options']): string {
  const settings = Object.entries(options).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return settings.length === 0 ? '' : ` (${settings.join(', ')})`;
}
