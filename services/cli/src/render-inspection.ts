import { readRunAttributes, type BlockInspection, type LinearInspection } from '@esparse/model-store';
import { formatPattern } from '@esparse/sparsity';
import type { RunSummary } from '@esparse/store';
import type { RunInspection } from './inspect-run.ts';
import { bytes, percent, percentOf, table } from './table.ts';

/** What `esparse inspect` prints: the runs of the store, and one of them by block and by linear. */
export function renderInspection(inspection: RunInspection, runs: readonly RunSummary[]): string {
  const { model, pipeline, pattern, shuffle, options, totals } = inspection;
  const exceptions = Object.keys(options.layers ?? {}).length;
  const otherwise = exceptions === 0 ? '' : `, ${exceptions} linears otherwise`;
  const head =
    `run ${inspection.run}\n` +
    `${model}, ${pipeline} ${pattern}${otherwise}, shuffle ${shuffle ?? 'unknown'}\n` +
    `linears ${bytes(totals.bytes)} of ${bytes(totals.denseBytes)} dense (${percentOf(totals.bytes, totals.denseBytes)}), ` +
    `permutations ${bytes(totals.permutationBytes)}\n`;
  return `${runTable(runs)}\n${head}\n${linearTable(inspection.blocks)}`;
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

function linearTable(blocks: readonly BlockInspection[]): string {
  const rows = blocks.flatMap(({ block, committed, linears, totals, starvedExperts = [] }) => {
    if (!committed) return [[`block ${block}`, 'not committed', '', '', '', '']];
    const sums = [bytes(totals.bytes), bytes(totals.denseBytes), percent(totals.keptScoreGain)];
    const name = `block ${block}`;
    const experts = starvedExperts.length === 0 ? '' : `, ${starvedExperts.length} experts by all tokens`;
    return [
      [name, '', `${linears.length} linears${experts}`, ...sums],
      ...linears.map((one) => linearRow(block, one)),
    ];
  });
  return table(['linear', 'pattern', 'rows x cols', 'bytes', 'dense bytes', 'kept score gain'], rows);
}

function linearRow(block: number, linear: LinearInspection): string[] {
  return [
    `${block}.${linear.name}`,
    linear.pattern ?? 'dense',
    `${linear.rows} x ${linear.cols}`,
    bytes(linear.bytes),
    bytes(linear.denseBytes),
    linear.keptScoreGain === undefined ? '-' : percent(linear.keptScoreGain),
  ];
}
