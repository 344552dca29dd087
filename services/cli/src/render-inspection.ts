import { readRunAttributes, type BlockInspection, type LinearInspection } from '@esparse/model-store';
import { formatPattern } from '@esparse/sparsity';
import type { RunSummary } from '@esparse/store';
import type { RunInspection } from './inspect-run.ts';
import { reportInWords } from './report-in-words.ts';
import { bytes, percent, percentOf, table } from './table.ts';

/**
 * What `esparse inspect` prints: the runs of the store, and one of them by block and by linear.
 *
 * @param bars whether what the shuffle gained is drawn, too, as a terminal can. @default false
 */
export function renderInspection(
  inspection: RunInspection,
  runs: readonly RunSummary[],
  { bars }: { readonly bars: boolean } = { bars: false },
): string {
  const { model, pipeline, pattern, shuffle, options, totals } = inspection;
  const exceptions = Object.keys(options.layers ?? {}).length;
  const otherwise = exceptions === 0 ? '' : `, ${exceptions} linears otherwise`;
  const dense = inspection.blocks.every(
    ({ committed, linears }) => committed && linears.every((linear) => linear.pattern === undefined),
  );
  const patterns = dense ? 'dense' : `${pattern}${otherwise}`;
  const head =
    `run ${inspection.run}\n` +
    `${model}, ${pipeline} ${patterns}, shuffle ${shuffle ?? 'unknown'}\n` +
    `linears ${bytes(totals.bytes)} of ${bytes(totals.denseBytes)} dense (${percentOf(totals.bytes, totals.denseBytes)}${bitsOf(totals)}), ` +
    `permutations ${bytes(totals.permutationBytes)}\n`;
  return `${runTable(runs)}\n${head}\n${linearTable(inspection.blocks, bars)}${stageLines(inspection.blocks)}`;
}

function runTable(runs: readonly RunSummary[]): string {
  const columns = ['run', 'written', 'state', 'blocks', 'pipeline', 'options', 'pattern', 'samples', 'seed'];
  return table(columns, runs.map(runRow));
}

function runRow({
  fingerprint,
  written,
  current,
  finished,
  blocks,
  attributes,
  damage,
}: RunSummary): string[] {
  const state =
    damage !== undefined ? 'damaged' : finished ? (current ? 'current' : 'finished') : 'not finished';
  const date = written === undefined ? '-' : minuteOf(written);
  return [fingerprint, date, state, `${blocks}`, ...optionCells(attributes)];
}

/** How a run is made; nothing where it does not say so as this version does. */
function optionCells(attributes: RunSummary['attributes']): string[] {
  let options: RunInspection['options'];
  try {
    ({ options } = readRunAttributes(attributes));
  } catch {
    return ['-', '-', '-', '-', '-'];
  }
  const { pipeline, pattern, calibration } = options;
  const given = Object.entries(pipeline.options).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const { samples, seqlen, seed } = calibration;
  return [pipeline.name, given.join(' ') || '-', formatPattern(pattern), `${samples} x ${seqlen}`, `${seed}`];
}

/** 2026-03-01 12:30, in UTC. */
function minuteOf(date: Date): string {
  return date.toISOString().slice(0, 16).replace('T', ' ');
}

/** Characters of the longest bar. */
const BAR_WIDTH = 16;

/** A bar of eighths of a character, as long as its share of the largest. */
function bar(value: number, largest: number): string {
  const eighths = largest > 0 ? Math.round((8 * BAR_WIDTH * Math.max(0, value)) / largest) : 0;
  const rest = ' ▏▎▍▌▋▊▉'[eighths % 8]!;
  return ('█'.repeat(Math.floor(eighths / 8)) + rest).trimEnd().padEnd(BAR_WIDTH);
}

function linearTable(blocks: readonly BlockInspection[], bars: boolean): string {
  const gains = blocks.flatMap(({ linears }) => linears.map(({ keptScoreGain = 0 }) => keptScoreGain));
  const largest = gains.reduce((most, gain) => Math.max(most, gain), 0);
  const drawn = (gain = 0) => (bars ? [bar(gain, largest)] : []);
  const rows = blocks.flatMap(({ block, committed, linears, totals, starvedExperts = [] }) => {
    if (!committed) return [[`block ${block}`, 'not committed', '', '', '', '', ...drawn()]];
    const sums = [
      bytes(totals.bytes),
      bytes(totals.denseBytes),
      percent(totals.keptScoreGain),
      ...drawn(totals.keptScoreGain),
    ];
    const name = `block ${block}`;
    const experts = starvedExperts.length === 0 ? '' : `, ${starvedExperts.length} experts by all tokens`;
    return [
      [name, '', `${linears.length} linears${experts}`, ...sums],
      ...linears.map((one) => [...linearRow(block, one), ...drawn(one.keptScoreGain)]),
    ];
  });
  const columns = ['linear', 'pattern', 'rows x cols', 'bytes', 'dense bytes', 'kept score gain'];
  return table([...columns, ...(bars ? [''] : [])], rows);
}

/** What block stages have found, a line each. */
function stageLines(blocks: readonly BlockInspection[]): string {
  const lines = blocks.flatMap(({ block, stages = [] }) =>
    stages.map(({ stage, ...report }) => `block ${block}, ${stage}: ${reportInWords(report)}\n`),
  );
  return lines.length === 0 ? '' : `\n${lines.join('')}`;
}

function linearRow(block: number, linear: LinearInspection): string[] {
  return [
    `${block}.${linear.name}`,
    patternAndValues(linear),
    `${linear.rows} x ${linear.cols}`,
    bytes(linear.bytes),
    bytes(linear.denseBytes),
    linear.keptScoreGain === undefined ? '-' : percent(linear.keptScoreGain),
  ];
}

/** 2:4, 2:4 int4, dense, dense int8: what a linear is pruned to and, where it is quantized, what its values are. */
function patternAndValues({ pattern = 'dense', values = '' }: LinearInspection): string {
  return values.startsWith('int') ? `${pattern} ${values}` : pattern;
}

/** Bits of a weight, indices and scales counted: dense ones have 16. Nothing where there are no weights. */
function bitsOf({ bytes: stored, denseBytes }: RunInspection['totals']): string {
  return denseBytes === 0 ? '' : `, ${((16 * stored) / denseBytes).toFixed(2)} bits a weight`;
}
