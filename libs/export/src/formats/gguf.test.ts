import { cp, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { narrow, widenReference } from '@esparse/kernels';
import { inTemporaryFolder, relativeError } from '@esparse/laws';
import { describeCheckpoint, describeModel, linearsOf, tensorsOfBlock } from '@esparse/model';
import { readRunAttributes, storeWeights } from '@esparse/model-store';
import { MemoryObjectStore, type ObjectStore } from '@esparse/storage';
import type { Run } from '@esparse/store';
import { exportRun } from '../export-run.ts';
import { differenceOf } from '../same-model.ts';
import { openExportSource, type ExportSource } from '../source.ts';
import { FIXTURES, prunedRun } from '../testing/pruned-run.ts';
import { gguf } from './gguf.ts';

const GGUF_FIXTURES = path.join(FIXTURES, '../gguf');

/** A fixture with another config.json, pruned. */
async function changedRun(
  home: string,
  name: string,
  changes: Readonly<Record<string, unknown>>,
): Promise<Run> {
  const model = path.join(home, 'model');
  await cp(path.join(FIXTURES, name), model, { recursive: true });
  const file = path.join(model, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, ...changes }));
  return prunedRun(model);
}

/** Exports a run, and compares what is read of the file with what the store has. */
async function expectSame(run: Run, out: string): Promise<void> {
  await exportRun({ run, format: gguf, out });
  const exported = await openCheckpoint(out);
  const description = describeCheckpoint(exported);
  const original = describeModel(readRunAttributes(run.attributes).config);
  expect(differenceOf(original, description)).toBeUndefined();
  const [stored, read] = [storeWeights(run, original), checkpointWeights(exported)];
  const blocks = Array.from({ length: original.blocks }, (_, block) => tensorsOfBlock(original, block));
  for (const { name, shape } of [...original.outerTensors, ...blocks.flat()]) {
    const [found, expected] = [await read.read(name), await stored.read(name)];
    // Gemma's norms are written with their 1 added.
    if (shape.length === 1) expect(relativeError(found, expected)).toBeLessThan(1e-6);
    else expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  }
  await exported.close();
}

test.each([
  ...['granite', 'llama', 'mistral', 'olmo2', 'qwen2', 'qwen3'].map((name) => [
    name,
    path.join(FIXTURES, name),
  ]),
  ...['gemma3', 'llama', 'qwen3'].map((name) => [
    `${name} of a GGUF file`,
    path.join(GGUF_FIXTURES, name, 'model.gguf'),
  ]),
])('%s: what is read of the file is the model and the weights of the store, bit for bit', (_, model) =>
  inTemporaryFolder(async (home) => expectSame(await prunedRun(model), path.join(home, 's.gguf'))),
);

test.each([
  ['smollm3', { no_rope_layers: null, no_rope_layer_interval: 4 }],
  ['qwen2', { use_sliding_window: false, layer_types: null }],
  ['llama', { rope_parameters: { rope_type: 'linear', factor: 4, rope_theta: 5000 } }],
  [
    'qwen3',
    {
      rope_parameters: {
        rope_type: 'yarn',
        factor: 4,
        rope_theta: 1e6,
        original_max_position_embeddings: 16,
      },
    },
  ],
])('%s with %j: the same', (name, changes) =>
  inTemporaryFolder(async (home) =>
    expectSame(await changedRun(home, name, changes), path.join(home, 's.gguf')),
  ),
);

/** The linears of all blocks of a run. */
const modelLinears = (run: Run) => {
  const description = describeModel(readRunAttributes(run.attributes).config);
  return Array.from({ length: description.blocks }, (_, block) => linearsOf(description, block)).flat();
};

const inOrder = (_linear: string, _block: number, cols: number) =>
  Int32Array.from({ length: cols }, (_, channel) => channel);

test.each([
  [4, 'Q4_0', 18],
  [8, 'Q8_0', 34],
] as const)(
  'integers of %i bits in their original order are blocks of %s, and f32 where these would not hold them',
  (bits, _type, blockBytes) =>
    inTemporaryFolder(async (home) => {
      const model = path.join(FIXTURES, 'llama');
      const [blocks, floats] = [path.join(home, 'blocks.gguf'), path.join(home, 'floats.gguf')];
      const run = await prunedRun(model, { order: inOrder, bits });
      await exportRun({ run, format: gguf, out: blocks });
      await exportRun({ run, format: gguf, out: floats, dtype: 'f32' });
      const shuffled = path.join(home, 'shuffled.gguf');
      await exportRun({ run: await prunedRun(model, { bits }), format: gguf, out: shuffled });
      const [exported, exact, others] = [
        await openCheckpoint(blocks),
        await openCheckpoint(floats),
        await openCheckpoint(shuffled),
      ];
      const weights = [checkpointWeights(exported), checkpointWeights(exact)] as const;
      const first = 'model.layers.1.self_attn.q_proj.weight';
      const [found, expected] = [await weights[0].read(first), await weights[1].read(first)];
      // What a reader makes of blocks is bf16; zeros are equal, whatever their sign.
      const positive = (values: Float32Array) => values.map((value) => value + 0);
      expect(positive(found)).toEqual(positive(widenReference('bf16', narrow('bf16', expected))));
      const elements = modelLinears(run).reduce(
        (sum, { rows, cols }) => sum + (cols % 32 === 0 ? rows * cols : 0),
        0,
      );
      const size = async (file: string) => (await stat(file)).size;
      expect((await size(floats)) - (await size(blocks))).toBeGreaterThan(
        elements * (4 - blockBytes / 32) - 100,
      );
      expect(exported.info(first).dtype).toBe('BF16');
      expect(others.info(first).dtype).toBe('F32');
      for (const checkpoint of [exported, exact, others]) await checkpoint.close();
    }),
);

test('files are made up of what is known of integers, their orders and scales: no weights are read', async () => {
  const keys: string[] = [];
  const objects = new Proxy<ObjectStore>(new MemoryObjectStore(), {
    get(store, name: keyof ObjectStore) {
      const method = store[name] as ((...given: unknown[]) => unknown) | undefined;
      // Who waits for it asks for its `then`.
      if (method === undefined) return undefined;
      return (...given: unknown[]) => {
        keys.push(String(given[0]));
        return method.apply(store, given);
      };
    },
  });
  const run = await prunedRun(path.join(FIXTURES, 'llama'), { order: inOrder, bits: 4, objects });
  keys.length = 0;
  await gguf.files((await openExportSource(run)) as ExportSource);
  expect(keys).toContainEqual(expect.stringContaining('/scales/'));
  expect(keys.filter((key) => key.includes('/values/c'))).toEqual([]);
});

test.each<[string, object, string]>([
  ['phi3', {}, "a model of the family 'phi3' cannot be written as GGUF"],
  ['smollm3', {}, 'cannot hold this smollm3: block 1'],
  ['gemma3', {}, 'cannot hold this gemma3: block 0, attention: scale'],
  ['llama', { rope_parameters: { rope_type: 'dynamic', factor: 2 } }, "positions of the type 'dynamic'"],
])('%s with %j is refused, and said why', (name, changes, message) =>
  inTemporaryFolder(async (home) => {
    const run = await changedRun(home, name, changes as Readonly<Record<string, unknown>>);
    await expect(exportRun({ run, format: gguf, out: path.join(home, 's.gguf') })).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining(message),
    });
  }),
);
