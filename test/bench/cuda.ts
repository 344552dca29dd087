/**
 * Decoding and prefill on an NVIDIA GPU, through the engine: `npm run bench:cuda -- [--shape 1b|8b] [--store FOLDER]`;
 * `--layers N` for a model of fewer, under a profiler; `--llama-cpp FOLDER`, where `node-llama-cpp` and its build for CUDA are
 * installed, for a peer in bf16; `--only calibrate` for
 * what statistics add to a block's forward pass, see `cuda-calibration.ts`; `--only prune` for that and the pruner's arithmetic, see
 * `cuda-prune.ts`.
 * Random weights, 2:4 in bf16, int8 and int4 (the head as integers, too) and dense in bf16 and int4, in one run; `--sparse`:
 * 2:4 in bf16 alone. Linears by themselves, against cuBLAS: `libs/cuda/harness/run.sh`.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  openEngine,
  type Engine,
  type SampledToken,
  type SamplingFailure,
  type SamplingParams,
} from '@esparse/engine';
import { writeRandomStore } from '../cuda/random-store.ts';
import { benchCalibration } from './cuda-calibration.ts';
import { benchPruning } from './cuda-prune.ts';
import { benchLlamaCpp } from './cuda-llama-cpp.ts';
import { heading, median, print } from './table.ts';

const SHAPES = {
  '1b': {
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    vocab_size: 32000,
  },
  '8b': {
    hidden_size: 4096,
    intermediate_size: 14336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
  },
};
/** Positions that the last step of a round reads, its own with them: as many as the peers' steps in PyTorch read. */
const POSITIONS = 512;
/** Few, and so many that the new position begins another split of attention, and every step has one split more. */
const OTHER_POSITIONS = [64, 560];
const ROUNDS = 3;
const STEPS = 12;
/** Steps of a round before those that are timed: the first ones make graphs. */
const WARM_STEPS = 3;
/** Between prompts and steps: prompts bring the GPU to its limit of power, and the peers' steps have none before them. */
const REST_MS = 500;
/** What sampling adds to a step. */
const SAMPLED: Readonly<Record<string, SamplingParams>> = {
  'temperature 1': { temperature: 1, seed: 1 },
  'top-p 0.95, top-k 40, min-p': { temperature: 1, topP: 0.95, topK: 40, minP: 0.01, seed: 1 },
  'with penalties and 20 log-probabilities': { temperature: 1, frequencyPenalty: 0.5, logprobs: 20, seed: 1 },
};
const PROMPTS = [16, 128, 512, 2048];

/** How weights are stored, and how much faster than 2:4 in bf16 a step of one sequence of the 8B shape is to be. */
const WEIGHTS = [
  { name: '2:4', dense: false },
  { name: '2:4 int8', dense: false, bits: 8, faster: 1.4 },
  { name: '2:4 int4', dense: false, bits: 4, faster: 1.8 },
  { name: 'dense', dense: true },
  { name: 'dense int4', dense: true, bits: 4 },
] as const;

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: '1b' },
    store: { type: 'string' },
    layers: { type: 'string' },
    sparse: { type: 'boolean', default: false },
    only: { type: 'string', default: 'engine' },
    torch: { type: 'string' },
    'llama-cpp': { type: 'string' },
  },
});
const shape = SHAPES[flags.shape as keyof typeof SHAPES];
const sizes = { ...shape, num_hidden_layers: Number(flags.layers ?? shape.num_hidden_layers) };

const promptOf = (engine: Engine, length: number, seed: number) =>
  Uint32Array.from({ length }, (_, t) => (t * 7919 + seed) % engine.description.vocab);

/** Seconds from a prompt to the first token after it. */
async function prefill(engine: Engine, length: number): Promise<number> {
  const seconds: number[] = [];
  for (let i = 0; i < 5; i++) {
    const sequence = engine.reserve(length)!;
    const started = performance.now();
    await engine.step([{ sequence, tokens: promptOf(engine, length, i), want: 'token' }]);
    seconds.push((performance.now() - started) / 1000);
    sequence.release();
  }
  return median(seconds.slice(1));
}

/** How steps are timed. */
interface Decoding {
  readonly sampling?: SamplingParams;
  /** That the last step reads. */
  readonly positions?: number;
  /** Milliseconds between prompts and steps. @default REST_MS */
  readonly rest?: number;
}

/** Seconds of a decoding step of so many sequences. */
async function decode(engine: Engine, count: number, how: Decoding = {}): Promise<number> {
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) seconds.push(...(await decodeOnce(engine, count, how)));
  return median(seconds);
}

async function decodeOnce(
  engine: Engine,
  count: number,
  { sampling = {}, positions = POSITIONS, rest = REST_MS }: Decoding,
): Promise<number[]> {
  const sequences = Array.from({ length: count }, () => engine.reserve(positions + 1, sampling)!);
  const prompt = positions - STEPS - WARM_STEPS;
  const tokens: Uint32Array[] = [];
  const tokenOf = (sampled: SampledToken | SamplingFailure) => {
    if ('error' in sampled) throw sampled.error;
    return Uint32Array.of(sampled.token);
  };
  for (const [i, sequence] of sequences.entries()) {
    const [sampled] = await engine.step([{ sequence, tokens: promptOf(engine, prompt, i), want: 'token' }]);
    tokens.push(tokenOf(sampled));
  }
  await delay(rest);
  const seconds: number[] = [];
  for (let step = 0; step < WARM_STEPS + STEPS; step++) {
    const started = performance.now();
    const sampled = await engine.step(
      sequences.map((sequence, i) => ({ sequence, tokens: tokens[i]!, want: 'token' as const })),
    );
    if (step >= WARM_STEPS) seconds.push((performance.now() - started) / 1000);
    sampled.forEach((one, i) => (tokens[i] = tokenOf(one)));
  }
  for (const sequence of sequences) sequence.release();
  return seconds;
}

/** What the device holds beside weights and cache: buffers, kernels, graphs. */
function printMemory(engine: Engine): void {
  const used = engine.usage()[0]!.memoryUsed;
  const needed = engine.weightBytes.mapped + engine.pages * engine.pageBytes;
  const share = (used - 500e6) / needed - 1;
  print({
    name: 'memory of the device, beyond weights, cache and 500 MB',
    measured: `${((used - needed - 500e6) / 1e6).toFixed(0)} MB, ${(100 * share).toFixed(2)} %`,
    target: '<= 3 %',
    met: share <= 0.03,
  });
}

async function benchEngine(): Promise<void> {
  const home = flags.store ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));
  /** Of 2:4 in bf16, in seconds: steps by their sequences, and a prompt of 2048 tokens. */
  let bf16: { readonly steps: ReadonlyMap<number, number>; readonly prompt: number } | undefined;
  try {
    for (const { name: weights, dense, ...of } of flags.sparse ? WEIGHTS.slice(0, 1) : WEIGHTS) {
      const bits = 'bits' in of ? of.bits : undefined;
      const store = path.join(home, `${flags.shape}-${weights.replaceAll(/\W/g, '-')}.zarr`);
      if (!existsSync(store)) await writeRandomStore(store, sizes, dense, {}, () => bits);
      const started = performance.now();
      const engine = await openEngine({ store, device: 'cuda', maxContext: 4096 });
      const opened = (performance.now() - started) / 1000;
      heading(`${flags.shape}, ${weights}, ${String(engine.device.gpu)}, steps of ${POSITIONS} positions`);
      print({ name: 'opened', measured: `${opened.toFixed(2)} s` });
      printMemory(engine);
      let prompt = 0;
      for (const length of PROMPTS) {
        prompt = await prefill(engine, length);
        print({ name: `a prompt of ${length}`, measured: `${(prompt * 1e3).toFixed(2)} ms` });
        print({ name: `  tokens a second`, measured: (length / prompt).toFixed(0) });
      }
      const steps = new Map<number, number>();
      for (const count of [1, 2, 4, 8, 16, 64]) {
        const step = await decode(engine, count);
        steps.set(count, step);
        print({ name: `a step of ${count}`, measured: `${(step * 1e6).toFixed(0)} us` });
        print({ name: `  tokens a second`, measured: (count / step).toFixed(0) });
        if (weights === 'dense') {
          print({ name: `  2:4 against it`, measured: `${(step / bf16!.steps.get(count)!).toFixed(2)} x` });
        }
        const behind = await decode(engine, count, { rest: 0 });
        print({ name: `  right behind their prompts`, measured: `${(behind * 1e6).toFixed(0)} us` });
        if (bits !== undefined || count > 16) continue;
        for (const [name, sampling] of Object.entries(SAMPLED)) {
          const sampled = await decode(engine, count, { sampling, rest: 0 });
          print({ name: `  ${name}`, measured: `${(1e6 * (sampled - behind)).toFixed(0)} us more` });
        }
      }
      bf16 ??= { steps, prompt };
      for (const positions of OTHER_POSITIONS) {
        const step = await decode(engine, 1, { positions });
        print({ name: `a step of 1, ${positions} positions`, measured: `${(step * 1e6).toFixed(0)} us` });
      }
      if ('faster' in of) {
        const faster = bf16.steps.get(1)! / steps.get(1)!;
        const prompts = bf16.prompt / prompt;
        print({
          name: 'a step of 1, against 2:4 in bf16',
          measured: `${faster.toFixed(2)} x`,
          ...(flags.shape === '8b' && { target: `>= ${of.faster} x`, met: faster >= of.faster }),
        });
        print({
          name: `a prompt of ${PROMPTS.at(-1)}, against 2:4 in bf16`,
          measured: `${prompts.toFixed(2)} x`,
          target: '>= 1 x',
          met: prompts >= 1,
        });
      }
      await engine.close();
    }
    const peer = flags['llama-cpp'];
    if (peer !== undefined)
      await benchLlamaCpp(home, sizes, { folder: peer, positions: POSITIONS, steps: ROUNDS * STEPS });
  } finally {
    if (flags.store === undefined) await rm(home, { recursive: true });
  }
}

if (flags.only === 'prune' || flags.only === 'calibrate') await benchCalibration();
if (flags.only === 'prune') await benchPruning(flags.torch);
if (flags.only === 'engine') await benchEngine();
