/**
 * What holds of every family that `--device cuda` serves, beside the engine on the processor: `npm run test:cuda` on a machine
 * with a GPU; a test runs the same, on smaller models, on an emulated one.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { relativeDistance } from '@esparse/dataflow';
import { openEngine, type Engine } from '@esparse/engine';
import { FAMILIES, type FamilyCase } from './families.ts';
import { writeRandomStore, type Sizes } from './random-store.ts';

/** Set for a GPU that is emulated on the processor, some ten thousand times slower; for the kernels of GPUs before Hopper. */
const { ESPARSE_TEST_EMULATED: emulated } = process.env;

const SIZES: Sizes = {
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  num_key_value_heads: 2,
  vocab_size: 5003,
};
const SMALL_SIZES: Sizes = {
  hidden_size: 128,
  intermediate_size: 180,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 131,
};
/** Tokens of a prompt, and of what follows it; where the prompt is cut. */
const [PROMPT, TEXT, CUTS] = emulated ? [36, 3, [1, 17]] : [260, 40, [1, 99, 100, 128, 250]];
const CONTEXT = emulated ? 128 : 1024;
const TOLERANCE = 1e-2;
/** Positions where another expert may have been chosen, in parts of all. */
const MOST_ROUTED_FAR = 0.05;

const folder = await mkdtemp(path.join(tmpdir(), 'esparse-cuda-families-'));
after(() => rm(folder, { recursive: true }));

const textOf = (vocab: number, length: number, seed: number) =>
  Uint32Array.from({ length }, (_, i) => ((i + 1) * 7919 * (seed + 1) + seed) % vocab);

/** Logits after each token of a prompt that is given in pieces, and of a text that stands for what was sampled after it. */
async function logitsOf(engine: Engine, text: Uint32Array, cuts: readonly number[], sampled: Uint32Array) {
  const { vocab } = engine.description;
  const sequence = engine.reserve(text.length + sampled.length)!;
  const all: Float32Array[] = [];
  const ends = [...cuts, text.length];
  for (const [i, end] of ends.entries()) {
    const tokens = text.subarray(ends[i - 1] ?? 0, end);
    const [logits] = await engine.step([{ sequence, tokens, want: 'allLogits' }]);
    for (let t = 0; t < tokens.length; t++) all.push(logits.slice(t * vocab, (t + 1) * vocab));
  }
  for (const token of sampled) {
    const [logits] = await engine.step([{ sequence, tokens: Uint32Array.of(token), want: 'lastLogits' }]);
    all.push(logits.slice());
  }
  sequence.release();
  return all;
}

async function storeOf(name: string, { config, dense = false, integers }: FamilyCase): Promise<string> {
  const store = path.join(folder, `${name.replace(/\W+/g, '-')}.zarr`);
  await writeRandomStore(
    store,
    emulated ? SMALL_SIZES : SIZES,
    dense,
    config(emulated ? SMALL_SIZES : SIZES),
    integers,
  );
  return store;
}

for (const [name, family] of Object.entries(FAMILIES)) {
  void test(`${name}: logits are those of the processor, and bits depend on a text alone`, async (t) => {
    const store = await storeOf(name, family);
    const cpu = await openEngine({ store, maxContext: CONTEXT });
    const gpu = await openEngine({
      store,
      maxContext: CONTEXT,
      device: 'cuda',
      ...(emulated && { kvBytes: 1 << 22 }),
    });
    try {
      if (family.expanded !== undefined) assert.equal(gpu.device.expandedLinears, family.expanded);
      const { vocab } = gpu.description;
      const [prompt, text] = [textOf(vocab, PROMPT, 5), textOf(vocab, TEXT, 6)];
      const got = await logitsOf(gpu, prompt, [], text);
      const expected = await logitsOf(cpu, prompt, [], text);
      const errors = got.map((logits, i) => relativeDistance(expected[i]!, logits));
      const far = errors.filter((error) => !(error < TOLERANCE)).length;
      t.diagnostic(
        `largest relative error ${Math.max(...errors).toExponential(2)}, ${far} beyond ${TOLERANCE}`,
      );
      assert.ok(far <= (family.routed === true ? errors.length * MOST_ROUTED_FAR : 0));
      assert.deepEqual(await logitsOf(gpu, prompt, CUTS, text), got, 'cut in pieces');
      await requireAloneAsBeside(gpu, emulated ? [1, 17, 4] : [1, 3, 20, 64, 17, 2, 9]);
    } finally {
      await Promise.all([cpu.close(), gpu.close()]);
    }
  });
}

/** The last tokens of texts of these lengths, all in one step, have the bits that each has by itself. */
async function requireAloneAsBeside(engine: Engine, lengths: readonly number[]): Promise<void> {
  const texts = lengths.map((length, i) => textOf(engine.description.vocab, length + 1, i));
  const begun = async (text: Uint32Array) => {
    const sequence = engine.reserve(text.length)!;
    await engine.step([{ sequence, tokens: text.subarray(0, -1), want: 'token' }]);
    return { sequence, tokens: text.subarray(-1), want: 'lastLogits' as const };
  };
  const alone: Float32Array[] = [];
  for (const text of texts) {
    const part = await begun(text);
    const [logits] = await engine.step([part]);
    alone.push(logits.slice());
    part.sequence.release();
  }
  const parts = [];
  for (const text of texts) parts.push(await begun(text));
  const beside = await engine.step(parts);
  for (const [i, logits] of beside.entries()) assert.deepEqual(logits, alone[i], `text ${i}`);
  for (const { sequence } of parts) sequence.release();
}
