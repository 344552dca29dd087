/** Run in a process that has an emulated GPU: blocks of tiny models there against the reference in f64. Prints errors. */
import { memoryWeights, ReferenceLlama, tinyLlama, type TinyConfig, type TinyTensor } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { CudaArithmetic } from '../arithmetic.ts';
import { createCudaBlockRunner } from '../blocks/block-runner.ts';

/** Shapes, and the tokens and sequences that run through them. */
const CASES: Readonly<Record<string, readonly [number, number, Partial<TinyConfig>]>> = {
  'grouped-query attention': [16, 2, {}],
  'one key head for all': [16, 1, { num_key_value_heads: 1 }],
  'heads wider together than the residual stream': [16, 1, { head_dim: 16 }],
  'biases everywhere': [16, 3, { attention_bias: true, mlp_bias: true }],
  'one token': [1, 4, {}],
  'a sequence that is no multiple of eight': [37, 2, {}],
  'dynamic rotary scaling': [
    16,
    1,
    { rope_scaling: { type: 'dynamic', factor: 4 }, max_position_embeddings: 8 },
  ],
};

interface Outcome {
  /** Relative errors (of norms) of each tap and of the output, the largest over blocks. */
  readonly errors: Readonly<Record<string, number>>;
  /** Whether a second run gave the same bits. */
  readonly same: boolean;
  /** Bytes of the GPU that were still held once the runner was released. */
  readonly held: number;
}

async function outcomeOf(name: string): Promise<Outcome> {
  const [seqlen, sequences, part] = CASES[name]!;
  const { config, tensors: exact } = tinyLlama(part);
  const tensors = new Map([...exact].map(([tensor, values]) => [tensor, inBf16(values)]));
  const weights = memoryWeights(tensors);
  const description = describeModel(config);
  const reference = new ReferenceLlama(config, tensors);
  const gpu = CudaArithmetic.open();
  const runner = createCudaBlockRunner(description, { gpu, seqlen });
  const errors: Record<string, number> = {};
  let same = true;
  const states = Array.from({ length: sequences }, (_, s) => statesOf(seqlen, description.hidden, s));
  let expected = states.map((rows) => rows.map((row) => [...row]));
  let hidden = Float32Array.from(states.flat(2));
  for (let block = 0; block < description.blocks; block++) {
    const loaded = await runner.load(block, weights);
    const wanted = expected.map((sequence) => reference.block(block, sequence));
    const note = (value: string, found: Float32Array, exact: number[]) => {
      errors[value] = Math.max(errors[value] ?? 0, errorOf(found, exact));
    };
    for (const { tap, data } of await loaded.taps(hidden)) {
      note(
        tap,
        data,
        wanted.flatMap(({ taps }) => taps[tap as keyof typeof taps].flat()),
      );
    }
    const [once, twice] = [await loaded.advance(hidden), await loaded.advance(hidden)];
    same &&= once.every((value, i) => Object.is(value, twice[i]));
    expected = wanted.map(({ output }) => output);
    note('output', once, expected.flat(2));
    hidden = Float32Array.from(expected.flat(2));
    await loaded.release();
  }
  await runner.release();
  const held = gpu.facts.heldBytes;
  gpu.close();
  return { errors, same, held };
}

/** The weights as a checkpoint in bf16 has them. */
function inBf16(tensor: TinyTensor): TinyTensor {
  const words = new Uint32Array(tensor.data.slice().buffer);
  return { ...tensor, data: new Float32Array(words.map((word) => (word + 0x8000) & 0xffff0000).buffer) };
}

/** |found - expected| / |expected| */
function errorOf(found: Float32Array, expected: readonly number[]): number {
  if (found.length !== expected.length) return Infinity;
  let [squares, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    squares += (found[i]! - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(squares / size);
}

/** Made up, of the size of embeddings. */
function statesOf(rows: number, channels: number, seed: number): number[][] {
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: channels }, (_, c) => Math.fround(Math.sin(1 + seed + 7 * r + 3 * c + (r * c) / 5))),
  );
}

const outcomes: Record<string, Outcome> = {};
for (const name of Object.keys(CASES)) outcomes[name] = await outcomeOf(name);
process.stdout.write(JSON.stringify(outcomes));
