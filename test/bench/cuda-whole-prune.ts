/**
 * `npm run bench:cuda:prune -- [--blocks N] [--pipelines A,B] [--set OPTION=VALUE] [--torch PYTHON] [--device cuda:all]
 * [--keep FOLDER]`: whole prunes of the first blocks of a 7B shape, checkpoint in the page cache, and beside them PyTorch's Wanda
 * with the entropy statistic, or SparseGPT, of the same blocks, reading and writing included. What 32 blocks take is computed
 * from the time from one block's commit to the next. `--profiles FOLDER` keeps profiles of the processor and the events of each
 * run there.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ESPARSE } from '../support/repository.ts';
import { seededNumbers } from '../support/random-model.ts';
import { syntheticTokenizer } from '../support/synthetic-tokenizer.ts';
import { writeNoiseLlama } from './scale/noise-model.ts';
import { heading, print } from './table.ts';

const SHAPES = {
  '7b': { hidden: 4096, intermediate: 11008, heads: 32, kvHeads: 32, vocab: 32000, tiedHead: false },
  tiny: { hidden: 128, intermediate: 352, heads: 4, kvHeads: 4, vocab: 2048, tiedHead: false },
};
const BLOCKS_OF_7B = 32;
const SCRIPT = path.join(import.meta.dirname, '../../python/torch_whole_prune.py');

/** How long all blocks may take by a pipeline, what PyTorch does beside it, and how many times as long as that it may take. */
const WANTED: Readonly<
  Record<
    string,
    { readonly seconds: number; readonly peer?: { readonly method: string; readonly times: number } }
  >
> = {
  'e-sparse': { seconds: 240, peer: { method: 'wanda-entropy', times: 2 } },
  'e-sparse-reconstruct': { seconds: 600, peer: { method: 'sparsegpt', times: 1 } },
  'e-sparse-tune': { seconds: 2400 },
};

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: '7b' },
    blocks: { type: 'string', default: '3' },
    samples: { type: 'string', default: '128' },
    seqlen: { type: 'string', default: '2048' },
    pipelines: { type: 'string', default: 'e-sparse,e-sparse-reconstruct' },
    device: { type: 'string', default: 'cuda' },
    set: { type: 'string', multiple: true, default: [] },
    torch: { type: 'string' },
    keep: { type: 'string' },
    profiles: { type: 'string' },
  },
});
const home = flags.keep ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));
try {
  const started = performance.now();
  const inputs = await makeInputs();
  printSeconds('checkpoint written in', (performance.now() - started) / 1000);
  for (const pipeline of flags.pipelines.split(',')) await benchPipeline(pipeline, inputs);
} finally {
  if (flags.keep === undefined) await rm(home, { recursive: true });
}

interface Inputs {
  readonly model: string;
  readonly calibration: string;
}

async function makeInputs(): Promise<Inputs> {
  const { shape, blocks, samples, seqlen } = flags;
  const sizes = { ...SHAPES[shape as keyof typeof SHAPES], blocks: Number(blocks) };
  const model = path.join(home, `${shape}-${blocks}`);
  if (!existsSync(path.join(model, 'config.json'))) {
    await writeNoiseLlama(model, sizes);
    for (const { name, bytes } of syntheticTokenizer(sizes.vocab))
      await writeFile(path.join(model, name), bytes);
  }
  const calibration = path.join(home, 'calibration.txt');
  await writeFile(calibration, wordsOf(Number(samples) * Number(seqlen)));
  return { model, calibration };
}

/** Text of at least so many tokens: words of letters drawn evenly. */
function wordsOf(tokens: number): string {
  const random = seededNumbers(3);
  const word = () =>
    Array.from({ length: 2 + Math.floor(6 * random()) }, () =>
      String.fromCharCode(97 + Math.floor(26 * random())),
    );
  return Array.from({ length: tokens }, () => word().join('')).join(' ');
}

async function benchPipeline(pipeline: string, { model, calibration }: Inputs): Promise<void> {
  const { blocks, samples, seqlen, device, torch, profiles } = flags;
  heading(`${pipeline}, ${flags.shape}, ${blocks} blocks, ${samples} x ${seqlen} tokens, --device ${device}`);
  const store = path.join(home, 'store.zarr');
  const run = await prune({
    args: [
      ...['--model', model, '--store', store, '--calibration', calibration, '--pipeline', pipeline],
      ...['--samples', samples, '--seqlen', seqlen, '--device', device],
      ...flags.set.flatMap((option) => ['--set', option]),
    ],
    profiles:
      profiles === undefined ? undefined : path.join(profiles, `${pipeline}-${device.replace(':', '-')}`),
  });
  await rm(store, { recursive: true });
  for (const [phase, seconds] of Object.entries(run.phases)) printSeconds(`  ${phase}`, seconds);
  for (const [operator, seconds] of run.operators) printSeconds(`  operator ${operator}, busy`, seconds);
  for (const note of run.notes) process.stdout.write(`  ${note}\n`);
  const whole = wholeOf(run.total, run.blocks);
  printSeconds(`from one block's commit to the next`, run.blocks.at(-1)!);
  printSeconds('whole command', run.total);
  const { seconds: limit, peer } = WANTED[pipeline] ?? {};
  print({
    name: `${BLOCKS_OF_7B} blocks (computed)`,
    measured: `${whole.toFixed(1)} s`,
    ...(limit !== undefined && { target: `<= ${limit} s`, met: whole <= limit }),
  });
  if (torch === undefined || peer === undefined) return;
  const theirs = torchRun(torch, [model, samples, seqlen, peer.method, path.join(home, 'pruned')]);
  for (const [phase, seconds] of Object.entries(theirs.phases))
    printSeconds(`  PyTorch ${peer.method}: ${phase}`, seconds);
  const their = wholeOf(theirs.total, theirs.blocks);
  print({
    name: `PyTorch ${peer.method}, ${BLOCKS_OF_7B} blocks (computed)`,
    measured: `${their.toFixed(1)} s, we take ${(whole / their).toFixed(2)} x`,
    target: `<= ${peer.times} x`,
    met: whole <= peer.times * their,
  });
}

/** What so many blocks would take: each of them as long as the last one here. */
function wholeOf(total: number, blocks: readonly number[]): number {
  return total + (BLOCKS_OF_7B - blocks.length) * blocks.at(-1)!;
}

function printSeconds(name: string, seconds: number): void {
  print({ name, measured: `${seconds.toFixed(2)} s` });
}

interface Run {
  readonly phases: Readonly<Record<string, number>>;
  /** Seconds in which each operator worked. */
  readonly operators: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
  /** Of each block, from the commit before, or from the end of the opening, to its own. */
  readonly blocks: readonly number[];
  readonly total: number;
}

interface RunEvent {
  readonly event: string;
  readonly time: string;
  readonly phase?: string;
  readonly ended?: string;
  readonly message?: string;
  readonly seconds?: Readonly<Record<string, number>>;
  readonly operators?: readonly { readonly operator: string; readonly busy: number }[];
}

async function prune({
  args,
  profiles,
}: {
  args: readonly string[];
  profiles: string | undefined;
}): Promise<Run> {
  const started = performance.now();
  if (profiles !== undefined) await mkdir(profiles, { recursive: true });
  // The worker that it forks inherits these.
  const profiling = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const child = spawn(process.execPath, [...profiling, ESPARSE, 'prune', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kept = profiles === undefined ? undefined : createWriteStream(path.join(profiles, 'events.jsonl'));
  const operators = new Map<string, number>();
  const notes: string[] = [];
  const commits: number[] = [];
  let opened = 0;
  let phases: Readonly<Record<string, number>> = {};
  createInterface(child.stdout).on('line', (line) => {
    kept?.write(`${line}\n`);
    const event = JSON.parse(line) as RunEvent;
    if (event.event === 'phase' && event.phase === 'open') opened = Date.parse(event.ended!);
    if (event.event === 'committed') commits.push(Date.parse(event.time));
    if (event.event === 'note') notes.push(event.message!);
    if (event.event === 'finished') phases = event.seconds!;
    for (const { operator, busy } of event.operators ?? [])
      operators.set(operator, (operators.get(operator) ?? 0) + busy * Number(event.seconds));
  });
  const [code] = (await once(child, 'close')) as [number | null];
  kept?.end();
  if (code !== 0) throw new Error(`esparse prune ended with ${String(code)}`);
  return {
    phases,
    operators,
    notes,
    blocks: commits.map((time, i) => (time - (commits[i - 1] ?? opened)) / 1000),
    total: (performance.now() - started) / 1000,
  };
}

function torchRun(torch: string, args: readonly string[]): Pick<Run, 'phases' | 'blocks' | 'total'> {
  const text = execFileSync(torch, [SCRIPT, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return JSON.parse(text) as Pick<Run, 'phases' | 'blocks' | 'total'>;
}
