/**
 * `npm run bench:methods`: whole runs of Wanda and SparseGPT at 2:4, beside the same in PyTorch on the same processors, on the
 * same calibration windows. By turns, so that what else the machine does meets both; ratios are of medians. By default on a
 * generated model; `--model` and `--calibration` take a real one (of the LLaMA family, in bf16).
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { calibrationWindows, openTokenizer, readText } from '@esparse/checkpoint';
import { esparseJson } from '../support/esparse.ts';
import { writeRandomLlama } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION, REPOSITORY } from '../support/repository.ts';
import { heading, median, print } from './table.ts';

interface Flags {
  readonly model?: string;
  readonly calibration: string;
  readonly samples: string;
  readonly repeats: string;
  readonly python?: string;
}

/** The seconds of a run: of the whole process, and of the parts that it reports itself. */
interface Run {
  readonly whole: number;
  readonly parts: Readonly<Record<string, number>>;
}

const SEQLEN = 512;
const SEED = 0;
/** The target: our time over PyTorch's, at most. */
const METHODS = { wanda: 1, sparsegpt: 1.2 };
const SCRIPT = path.join(REPOSITORY, 'test/python/torch_methods.py');
const execute = promisify(execFile);

const flags = new Command('bench:methods')
  .option('--model <dir>', 'LLaMA checkpoint in bf16 (default: a generated one of 8 blocks of 512 / 1408)')
  .option('--calibration <file>', 'calibration text', EXAMPLE_CALIBRATION)
  .option('--samples <n>', `windows of ${SEQLEN} tokens`, '128')
  .option('--repeats <n>', 'runs of each', '3')
  .option('--python <path>', 'a Python with PyTorch (default: python3, else /usr/bin/python3)')
  .parse()
  .opts<Flags>();

const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-bench-'));
try {
  const model = flags.model ?? (await generated());
  const windows = path.join(scratch, 'windows');
  const tokenizer = await openTokenizer(model);
  const tokens = await tokenizer.encode(await readText(flags.calibration), { bos: false });
  tokenizer.close();
  const samples = Number(flags.samples);
  await writeFile(windows, calibrationWindows(tokens, { samples, seqlen: SEQLEN, seed: SEED }));
  const python = await findTorch(
    flags.python === undefined ? ['python3', '/usr/bin/python3'] : [flags.python],
  );
  heading(`whole runs, ${samples} x ${SEQLEN} tokens, 2:4, medians of ${flags.repeats}`);
  print({ name: 'PyTorch', measured: python?.version ?? 'not found' });
  if (python === undefined) {
    process.stdout.write(
      'No Python here has PyTorch: our own times only (Debian: python3-torch; --python PATH)\n',
    );
  }
  for (const [method, most] of Object.entries(METHODS)) {
    const [ours, theirs]: [Run[], Run[]] = [[], []];
    for (let repeat = 0; repeat < Number(flags.repeats); repeat++) {
      ours.push(await runOurs(model, method, samples));
      if (python !== undefined) theirs.push(await runTorch(python.path, model, windows, method));
    }
    report(method, ours, theirs, most);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}

function report(method: string, ours: readonly Run[], theirs: readonly Run[], most: number): void {
  const whole = (runs: readonly Run[]) => median(runs.map((run) => run.whole));
  printRow(`${method}, esparse, processes and all`, ours);
  if (theirs.length === 0) return;
  printRow(`${method}, PyTorch, ${availableParallelism()} threads, nothing written`, theirs);
  const ratio = whole(ours) / whole(theirs);
  print({
    name: `${method}, ratio of medians`,
    measured: `${ratio.toFixed(2)} x`,
    target: `<= ${most.toFixed(1)} x`,
    met: ratio <= most,
  });
}

function printRow(name: string, runs: readonly Run[]): void {
  const [seconds, all] = [median(runs.map((run) => run.whole)), runs.map((run) => run.whole.toFixed(1))];
  print({ name, measured: `${seconds.toFixed(1)} s`, target: `(${all.join(', ')})` });
  for (const part of Object.keys(runs[0]!.parts)) {
    print({ name: `  ${part}`, measured: `${median(runs.map((run) => run.parts[part]!)).toFixed(1)} s` });
  }
}

async function runOurs(model: string, method: string, samples: number): Promise<Run> {
  const store = await mkdtemp(path.join(scratch, 'store-'));
  const flagsOf = { model, calibration: flags.calibration, store, pipeline: method, samples, seqlen: SEQLEN };
  const args = Object.entries({ ...flagsOf, seed: SEED }).flatMap(([name, value]) => [
    `--${name}`,
    String(value),
  ]);
  const started = performance.now();
  const { seconds } = await esparseJson('prune', ...args);
  const whole = (performance.now() - started) / 1000;
  await rm(store, { recursive: true });
  return { whole, parts: withoutTotal(seconds as Record<string, number>) };
}

async function runTorch(python: string, model: string, windows: string, method: string): Promise<Run> {
  const started = performance.now();
  const threads = String(availableParallelism());
  // Threads that spin while they wait take the processor from those that work: on a busy machine PyTorch took seven times as
  // long with them.
  const env = { ...process.env, OMP_WAIT_POLICY: 'passive' };
  const { stdout } = await execute(python, [SCRIPT, model, windows, String(SEQLEN), method, threads], {
    env,
  });
  const whole = (performance.now() - started) / 1000;
  return { whole, parts: (JSON.parse(stdout) as { seconds: Record<string, number> }).seconds };
}

function withoutTotal(seconds: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(seconds).filter(([part]) => part !== 'total'));
}

/** The first of some Pythons that has PyTorch. */
async function findTorch(candidates: readonly string[]) {
  for (const candidate of candidates) {
    try {
      const { stdout } = await execute(candidate, ['-c', 'import torch; print(torch.__version__)']);
      return { path: candidate, version: `${stdout.trim()} of ${candidate}` };
    } catch {
      // Not there, or without PyTorch.
    }
  }
  return undefined;
}

async function generated(): Promise<string> {
  const directory = path.join(scratch, 'model');
  await writeRandomLlama(directory, { hidden: 512, intermediate: 1408, blocks: 8, heads: 8, kvHeads: 4 });
  return directory;
}
