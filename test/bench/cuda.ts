/**
 * Decoding and prefill on an NVIDIA GPU, through the engine: `npm run bench:cuda -- [--shape 1b|8b] [--store FOLDER]`.
 * Random weights, 2:4 and dense, in one run.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openEngine, type Engine } from '@esparse/engine';
import { writeRandomStore } from '../cuda/random-store.ts';
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
const PROMPT = 512;
const STEPS = 40;

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: '1b' },
    store: { type: 'string' },
    sparse: { type: 'boolean', default: false },
  },
});
const sizes = SHAPES[flags.shape as keyof typeof SHAPES];
const home = flags.store ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));

/** Seconds of a decoding step of so many sequences, and of the prefill of one prompt. */
async function decode(engine: Engine, count: number): Promise<{ step: number; prefill: number }> {
  const sequences = Array.from({ length: count }, () => engine.reserve(PROMPT + STEPS + 8)!);
  let prefill = 0;
  for (const [i, sequence] of sequences.entries()) {
    const tokens = Uint32Array.from({ length: PROMPT }, (_, t) => (t * 7919 + i) % engine.description.vocab);
    const started = performance.now();
    await engine.step([{ sequence, tokens, want: 'nothing' }]);
    prefill = (performance.now() - started) / 1000;
  }
  const seconds: number[] = [];
  for (let step = 0; step < STEPS + 3; step++) {
    const started = performance.now();
    await engine.step(
      sequences.map((sequence) => ({ sequence, tokens: Uint32Array.of(step + 1), want: 'token' })),
    );
    if (step >= 3) seconds.push((performance.now() - started) / 1000);
  }
  for (const sequence of sequences) sequence.release();
  return { step: median(seconds), prefill };
}

try {
  for (const dense of flags.sparse ? [false] : [false, true]) {
    const store = path.join(home, `${flags.shape}-${dense ? 'dense' : 'sparse'}.zarr`);
    if (!existsSync(store)) await writeRandomStore(store, sizes, dense);
    const started = performance.now();
    const engine = await openEngine({ store, device: 'cuda', maxContext: 1024 });
    const opened = (performance.now() - started) / 1000;
    heading(
      `${flags.shape}, ${dense ? 'dense' : '2:4'}, ${String(engine.device.gpu)}, ${PROMPT} tokens in the cache`,
    );
    print({ name: 'opened', measured: `${opened.toFixed(2)} s` });
    for (const count of [1, 2, 4, 8, 16]) {
      const { step, prefill } = await decode(engine, count);
      print({ name: `a step of ${count}`, measured: `${(step * 1e6).toFixed(0)} us` });
      print({ name: `  tokens a second`, measured: (count / step).toFixed(0) });
      print({ name: `  prefill, tokens a second`, measured: (PROMPT / prefill).toFixed(0) });
    }
    await engine.close();
  }
} finally {
  if (flags.store === undefined) await rm(home, { recursive: true });
}
