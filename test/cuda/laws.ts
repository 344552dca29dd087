/**
 * What holds of `--device cuda`, on a machine with a GPU: `npm run test:cuda`. It needs Node only.
 *
 * ESPARSE_TEST_STORE: the store of a LLaMA; by default one with random weights is made.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { relativeDistance } from '@esparse/dataflow';
import {
  createSampler,
  generate,
  openEngine,
  topLogprobs,
  type Engine,
  type SamplingParams,
  type Sequence,
} from '@esparse/engine';
import { writeRandomStore } from './random-store.ts';

const CONTEXT = 1024;
/** Two logits that are closer than this, in parts of the size of all, are a tie: each may be off by 1e-2 of it. */
const TIE = 2e-2;
const SIZES = {
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  vocab_size: 5003,
};

let folder: string;
let cpu: Engine;
let gpu: Engine;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-cuda-'));
  const { ESPARSE_TEST_STORE: given } = process.env;
  const store = given ?? path.join(folder, 'random.zarr');
  if (given === undefined) await writeRandomStore(store, SIZES);
  cpu = await openEngine({ store, maxContext: CONTEXT });
  gpu = await openEngine({ store, maxContext: CONTEXT, device: 'cuda' });
});
after(async () => {
  await Promise.all([cpu.close(), gpu.close()]);
  await rm(folder, { recursive: true });
});

const prompt = (length: number, seed: number) =>
  Uint32Array.from({ length }, (_, i) => ((i + 1) * 7919 * (seed + 1) + seed) % gpu.description.vocab);

/** Logits after each token, the prompt given in pieces that end at these places. */
async function logitsOf(engine: Engine, tokens: Uint32Array, cuts: readonly number[] = []) {
  const sequence = engine.reserve(tokens.length)!;
  const all: Float32Array[] = [];
  const ends = [...cuts, tokens.length];
  for (const [i, end] of ends.entries()) {
    const part = tokens.subarray(i === 0 ? 0 : ends[i - 1]!, end);
    const [logits] = await engine.step([{ sequence, tokens: part, want: 'allLogits' }]);
    const { vocab } = engine.description;
    for (let t = 0; t < part.length; t++) all.push(logits.slice(t * vocab, (t + 1) * vocab));
  }
  sequence.release();
  return all;
}

/** Logits after each token of a text that stands for what was sampled after a prompt. */
async function decodedLogits(engine: Engine, tokens: Uint32Array, text: Uint32Array) {
  const sequence = engine.reserve(tokens.length + text.length)!;
  await engine.step([{ sequence, tokens, want: 'token' }]);
  const all: Float32Array[] = [];
  for (const token of text) {
    const [logits] = await engine.step([{ sequence, tokens: Uint32Array.of(token), want: 'lastLogits' }]);
    all.push(logits.slice());
  }
  sequence.release();
  return all;
}

async function generated(engine: Engine, tokens: Uint32Array, count: number, sampling: SamplingParams = {}) {
  const out: number[] = [];
  for await (const token of generate(engine, { prompt: tokens, maxTokens: count, sampling })) out.push(token);
  return out;
}

test('logits are within 1e-2 of those of the processor at every position', async (t) => {
  const tokens = prompt(300, 1);
  const [got, expected] = [await logitsOf(gpu, tokens), await logitsOf(cpu, tokens)];
  const errors = got.map((logits, i) => relativeDistance(expected[i]!, logits));
  t.diagnostic(`largest relative error ${Math.max(...errors).toExponential(2)}`);
  assert.ok(Math.max(...errors) < 1e-2);
});

test('logits after sampled tokens are within 1e-2 of those of the processor', async (t) => {
  const [tokens, text] = [prompt(100, 3), prompt(70, 4)];
  const [got, expected] = [await decodedLogits(gpu, tokens, text), await decodedLogits(cpu, tokens, text)];
  const errors = got.map((logits, i) => relativeDistance(expected[i]!, logits));
  t.diagnostic(`largest relative error ${Math.max(...errors).toExponential(2)}`);
  assert.ok(Math.max(...errors) < 1e-2);
});

test('the likeliest tokens are those of the processor, up to ties', async (t) => {
  let equal = 0;
  for (let seed = 0; seed < 20; seed++) {
    const tokens = prompt(5 + 3 * seed, seed);
    const [got, expected] = [await generated(gpu, tokens, 64), await generated(cpu, tokens, 64)];
    const first = got.findIndex((token, i) => token !== expected[i]);
    if (first < 0) {
      equal++;
      continue;
    }
    const before = Uint32Array.from([...tokens, ...expected.slice(0, first)]);
    const logits = (await logitsOf(cpu, before)).at(-1)!;
    const apart = Math.abs(logits[got[first]!]! - logits[expected[first]!]!);
    const size = Math.sqrt(logits.reduce((sum, value) => sum + value * value, 0) / logits.length);
    t.diagnostic(`text ${seed} differs at token ${first}: logits ${(apart / size).toExponential(1)} apart`);
    assert.ok(apart / size < TIE, `text ${seed} differs at token ${first}`);
  }
  t.diagnostic(`${equal} of 20 texts of 64 tokens are the same`);
});

test('bits do not depend on how a prompt is cut', async () => {
  const tokens = prompt(150, 2);
  const whole = await logitsOf(gpu, tokens);
  for (const cuts of [
    [1],
    [7],
    [16, 17, 19],
    [63, 64, 65],
    [100, 149],
    Array.from({ length: 149 }, (_, i) => i + 1),
  ]) {
    const cut = await logitsOf(gpu, tokens, cuts);
    for (const [i, logits] of cut.entries())
      assert.deepEqual(logits, whole[i], `cut at ${cuts.join()}: ${i}`);
  }
});

test('bits do not depend on what else is in a step, prompts and sampled tokens beside each other', async () => {
  const texts = Array.from({ length: 64 }, (_, i) =>
    prompt([1, 2, 15, 16, 17, 63, 64, 65, 127, 600][i % 10]! + i, i),
  );
  // Of every other text the last token follows one that was sampled.
  const before = (text: Uint32Array, i: number, sequence: Sequence) =>
    text.length === 1
      ? []
      : [
          {
            sequence,
            tokens: text.subarray(0, -1),
            want: i % 2 === 0 ? ('token' as const) : ('nothing' as const),
          },
        ];
  const alone: Float32Array[] = [];
  for (const [i, text] of texts.entries()) {
    const sequence = gpu.reserve(text.length)!;
    for (const part of before(text, i, sequence)) await gpu.step([part]);
    const [logits] = await gpu.step([{ sequence, tokens: text.subarray(-1), want: 'lastLogits' }]);
    alone.push(logits.slice());
    sequence.release();
  }
  for (const count of [1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 64]) {
    const some = texts.slice(0, count);
    const sequences = some.map((text) => gpu.reserve(text.length)!);
    // As many prompts in one step as may be, then all last tokens.
    const prompts = some.flatMap((text, i) => before(text, i, sequences[i]!));
    for (let next = 0; next < prompts.length;) {
      let [tokens, end] = [0, next];
      while (end < prompts.length && tokens + prompts[end]!.tokens.length <= 2048)
        tokens += prompts[end++]!.tokens.length;
      await gpu.step(prompts.slice(next, end));
      next = end;
    }
    const last = await gpu.step(
      some.map((text, i) => ({
        sequence: sequences[i]!,
        tokens: text.subarray(-1),
        want: 'lastLogits' as const,
      })),
    );
    for (const [i, logits] of last.entries()) assert.deepEqual(logits, alone[i], `text ${i} of ${count}`);
    for (const sequence of sequences) sequence.release();
  }
});

test('likeliest tokens that the device went on to by itself are those of one step at a time', async () => {
  const texts = Array.from({ length: 7 }, (_, i) => prompt(3 + 11 * i, i));
  const alone: number[][] = [];
  for (const tokens of texts) {
    const out: number[] = [];
    // Log-probabilities need the host: nothing is begun ahead.
    for await (const token of generate(gpu, {
      prompt: tokens,
      maxTokens: 10 + out.length,
      sampling: { logprobs: 0 },
    })) {
      out.push(token);
    }
    alone.push(out);
  }
  // Together, each ending at another time.
  const together = await Promise.all(texts.map((tokens, i) => generated(gpu, tokens, 3 + i)));
  for (const [i, tokens] of together.entries()) assert.deepEqual(tokens, alone[i]!.slice(0, 3 + i));
});

test('tokens that the device samples are those of the processor’s sampler for the same logits', async () => {
  const ways: SamplingParams[] = [
    { temperature: 1, seed: 1 },
    { temperature: 0.7, topK: 40, seed: 2, logprobs: 3 },
    { temperature: 1.5, topP: 0.9, seed: 3 },
    { temperature: 0.01, minP: 0.1, seed: 4 },
    { temperature: 1, topK: 100, topP: 0.8, minP: 0.02, seed: 5, logprobs: 20 },
    { temperature: 0, repetitionPenalty: 1.3, logprobs: 0 },
    { temperature: 0.9, frequencyPenalty: 0.8, presencePenalty: -0.3, repetitionPenalty: 0.9, seed: 6 },
    { temperature: 2, topP: 0.999, seed: 7 },
  ];
  const count = 24;
  const sampled = await Promise.all(
    ways.map((sampling, i) => generated(gpu, prompt(20 + 9 * i, i), count, sampling)),
  );
  for (const [i, sampling] of ways.entries()) {
    const tokens = prompt(20 + 9 * i, i);
    const sampler = createSampler(sampling);
    const sequence = gpu.reserve(tokens.length + count, sampling)!;
    // What follows the prompt is decoded once a token of it was sampled.
    let logits = (await logitsOf(gpu, tokens)).at(-1)!;
    await gpu.step([{ sequence, tokens, want: 'token' }]);
    const own: number[] = [];
    for (let n = 0; n < count; n++) {
      const history = { tokens: Uint32Array.from([...tokens, ...own]), promptTokens: tokens.length };
      own.push(sampler.sample(logits, history));
      const [next] = await gpu.step([{ sequence, tokens: Uint32Array.of(own.at(-1)!), want: 'lastLogits' }]);
      logits = next.slice();
    }
    sequence.release();
    assert.deepEqual(sampled[i], own, JSON.stringify(sampling));
  }
});

test('log-probabilities from the device are those of its logits', async () => {
  const tokens = prompt(70, 8);
  const sampling = { temperature: 1, seed: 3, logprobs: 5 };
  const expected = topLogprobs((await logitsOf(gpu, tokens)).at(-1)!, 0, 5);
  const sequence = gpu.reserve(80, sampling)!;
  const [told] = await gpu.step([{ sequence, tokens, want: 'token' }]);
  assert.ok(!('error' in told));
  assert.deepEqual(told.logprobs!.ids, expected.ids);
  for (const [i, value] of expected.logprobs.entries()) {
    assert.ok(Math.abs(told.logprobs!.logprobs[i]! - value) < 1e-6);
  }
  sequence.release();
});

test('a text with a seed is the same alone and beside others', async () => {
  const texts = Array.from({ length: 12 }, (_, i) => ({
    tokens: prompt(9 + 5 * i, i),
    sampling: { temperature: 1, seed: i },
  }));
  const together = await Promise.all(
    texts.map(({ tokens, sampling }) => generated(gpu, tokens, 24, sampling)),
  );
  for (const [i, { tokens, sampling }] of texts.entries()) {
    assert.deepEqual(await generated(gpu, tokens, 24, sampling), together[i]);
  }
});
