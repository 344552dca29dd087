/**
 * `npm run ablation`: perplexities of a grid of runs, as a Markdown table and as JSON. Each cell is one `esparse prune`
 * and one `esparse eval` of the native engine. What is done is kept: the same command goes on where it was stopped.
 */
import { setMaxListeners } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { PIPELINES } from '@esparse/pipelines';
import { from, lastValueFrom, mergeMap } from 'rxjs';
import { cellKey, type Cell } from './ablation/cell.ts';
import { ablationGrid, methodsGrid, tuningGrid, type GridOptions } from './ablation/grids.ts';
import { readGrid } from './ablation/read-grid.ts';
import { renderTable } from './ablation/report.ts';
import { Results } from './ablation/results.ts';
import { denseFigures, runCell } from './ablation/run-cell.ts';

interface Flags extends Omit<GridOptions, 'patterns'> {
  readonly patterns?: readonly string[];
  readonly grid: string;
  readonly model: string;
  readonly calibration: string;
  readonly text: string;
  readonly seqlen: number;
  readonly windows?: number;
  readonly tasks?: string;
  readonly only?: readonly string[];
  readonly out: string;
  readonly jobs: number;
  readonly threads?: number;
  readonly device?: string;
  readonly evalDevice?: string;
}

const list = (text: string) => text.split(',');
const setting = (text: string, before: Cell['set']) => {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`--set ${text}: expected key=value`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
};

const command = new Command('ablation')
  .requiredOption('--model <dir>', 'checkpoint to prune')
  .requiredOption('--calibration <file>', 'calibration text')
  .requiredOption('--text <file>', 'text whose perplexity is measured')
  .option('--grid <name>', 'ablation, methods, tuning, or a JSON file with a list of cells', 'ablation')
  .option('--pipeline <name>', 'pipeline that the ablation varies', 'e-sparse')
  .option('--set <key=value>', 'an option of that pipeline in every cell of the ablation', setting, {})
  .option('--patterns <list>', 'patterns, separated by commas (default: 2:4; methods: 2:4,4:8)', list)
  .option('--samples <n>', 'calibration windows where the grid does not vary them', Number, 128)
  .option('--seeds <list>', 'seeds, separated by commas', (text) => list(text).map(Number), [0, 1, 2])
  .option('--seqlen <n>', 'tokens of a window, of calibration and of evaluation', Number, 512)
  .addOption(new Option('--windows <n>', 'only the first windows of the text').argParser(Number))
  .option('--tasks <file>', 'multiple-choice questions, which are scored as well')
  .option('--only <text...>', 'only cells in whose name one of these occurs')
  .option('--out <file>', 'results so far, as JSON; cells in it are not run again', 'ablation.json')
  .option('--jobs <n>', 'cells at once', Number, 1)
  .addOption(new Option('--threads <n>', 'threads of each worker and evaluation').argParser(Number))
  .option('--device <name>', 'what prunes, as of `prune`')
  .option('--eval-device <name>', 'what evaluates the stores, as of `eval`: LLaMA at 2:4 on cuda')
  .parse();
const flags = command.opts<Flags>();

const stopping = new AbortController();
// Each cell listens, and more than the usual ten is no leak.
setMaxListeners(flags.jobs + 1, stopping.signal);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    stopping.abort();
  });
}

const cells = (await gridOf(flags)).filter(
  ({ name }) => flags.only === undefined || flags.only.some((text) => name.includes(text)),
);
const { seqlen, threads, windows, device, evalDevice } = flags;
const [model, calibration, text] = await Promise.all(
  [flags.model, flags.calibration, flags.text].map((file) => realpath(file)),
);
const tasks = flags.tasks === undefined ? undefined : await realpath(flags.tasks);
const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-ablation-'));
const options = {
  ...{ model: model!, calibration: calibration!, text: text! },
  ...{ seqlen, windows, tasks, threads, device, evalDevice, scratch },
};
let failed = 0;
try {
  const results = await Results.open(flags.out, options);
  const run = { ...options, signal: stopping.signal };
  // One run for all cells that are the same under other names.
  const keys = cells.map(cellKey);
  const open = cells.filter((cell, i) => keys.indexOf(keys[i]!) === i && results.of(cell) === undefined);
  let done = 0;
  const measure = async (cell: Cell) => {
    if (stopping.signal.aborted) return;
    const label = `${cell.name}, ${cell.pattern}, seed ${cell.seed}`;
    try {
      const result = await runCell(cell, run);
      await results.add(cell, result);
      const { perplexity, seconds } = result;
      report(`[${++done}/${open.length}] ${label}: ${perplexity.toFixed(2)} after ${seconds.toFixed(1)} s`);
    } catch (error) {
      // Stopped on purpose: not measured, but nothing failed.
      if (run.signal.aborted) return;
      failed++;
      report(`[${++done}/${open.length}] ${label} failed: ${(error as Error).message}`);
    }
  };
  const dense = async () => {
    if (results.dense === undefined)
      await denseFigures(run).then((found) => results.addDense(found), unlessStopped);
  };
  // The checkpoint itself is measured beside the cells.
  const jobs = [dense, ...open.map((cell) => () => measure(cell))];
  await lastValueFrom(from(jobs).pipe(mergeMap((job) => job(), flags.jobs)));
  process.stdout.write(`${renderTable(cells, results)}\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
process.exitCode = stopping.signal.aborted ? 130 : failed > 0 ? 1 : 0;

async function gridOf({ grid, patterns, ...options }: Flags): Promise<Cell[]> {
  if (grid === 'ablation') return ablationGrid({ ...options, patterns: patterns ?? ['2:4'] });
  if (grid === 'methods') {
    return methodsGrid({ ...options, patterns: patterns ?? ['2:4', '4:8'] }, [...PIPELINES.keys()]);
  }
  if (grid === 'tuning') return tuningGrid({ ...options, patterns: patterns ?? ['2:4'] });
  return readGrid(grid).catch((error: unknown) =>
    command.error(`error: the grid ${grid}: ${(error as Error).message}`, { exitCode: 2 }),
  );
}

/** What is stopped on purpose is not measured, but has not failed. */
function unlessStopped(error: unknown): void {
  if (!stopping.signal.aborted) throw error;
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}
