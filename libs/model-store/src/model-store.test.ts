import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint, checkpointWeights, tokenizerFiles, type Checkpoint } from '@esparse/checkpoint';
import { describeCheckpoint, tensorsOfBlock } from '@esparse/model';
import { identityOrder, maskLinear, packLinear, unpackToF32 } from '@esparse/sparsity';
import { createOrOpenStore, type Run, type RunWriter } from '@esparse/store';
import {
  densePath,
  inspectBlock,
  inspectBlocks,
  integersFit,
  readTokenizerFiles,
  storeWeights,
  totalsOf,
  writeDense,
  writeLinear,
  writeTokenizerFiles,
} from './index.ts';

const MODEL = path.join(import.meta.dirname, '../../../examples/models/llama-2m');
const NOT_FINITE = new Uint8Array(Float32Array.of(1, NaN, 2, 3).buffer);
const EMBEDDING = 'model.embed_tokens.weight';
const PATTERN = { keep: 2, group: 4 };

let home: string;
let checkpoint: Checkpoint;
let writer: RunWriter;
let run: Run;

/** Block 0 of the example model: q_proj packed, everything else dense; no other block. */
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-model-store-'));
  checkpoint = await openCheckpoint(MODEL);
  const description = describeCheckpoint(checkpoint);
  writer = await (await createOrOpenStore(home)).beginRun('0123456789abcdef', {});
  run = writer.run;

  const outer = writer.beginDense();
  for (const { name } of description.outerTensors) await writeDense(outer, name, checkpoint, name);
  await outer.commit({});

  const block = writer.beginBlock(0);
  const q = description.linears[0]!;
  await writeLinear(block, q.name, await packedQ(), { keptScore: { before: 2, after: 3 } });
  for (const { name } of tensorsOfBlock(description, 0)) {
    if (name !== q.weight(0)) await writeDense(block, densePath(name), checkpoint, name);
  }
  await block.commit({});
});

afterAll(async () => {
  await writer.close();
  await checkpoint.close();
  await rm(home, { recursive: true, force: true });
});

async function packedQ() {
  const q = describeCheckpoint(checkpoint).linears[0]!;
  const bytes = await checkpoint.read(q.weight(0));
  const weights = new Uint16Array(bytes.slice().buffer);
  const scores = (await checkpointWeights(checkpoint).read(q.weight(0))).map(Math.abs);
  const { rows, cols } = q;
  const order = identityOrder(cols);
  const mask = await maskLinear({ scores, rows, cols }, order, PATTERN);
  return packLinear({ dtype: 'bf16', weights, rows, cols }, order, mask, PATTERN);
}

test('every tensor of the model is found under its name in the checkpoint, in its shape', () => {
  const description = describeCheckpoint(checkpoint);
  const stored = storeWeights(run, description);
  for (const { name, shape } of [...description.outerTensors, ...tensorsOfBlock(description, 3)]) {
    expect(stored.has(name)).toBe(true);
    expect(stored.shape(name)).toEqual(shape);
  }
  expect(stored.has('model.layers.4.self_attn.q_proj.weight')).toBe(false);
});

test('what stays dense reads back to the last bit, whole and by rows', async () => {
  const description = describeCheckpoint(checkpoint);
  const stored = storeWeights(run, description);
  const dense = checkpointWeights(checkpoint);
  for (const name of [
    EMBEDDING,
    'model.layers.0.input_layernorm.weight',
    'model.layers.0.mlp.up_proj.weight',
  ]) {
    expect(await stored.read(name)).toEqual(await dense.read(name));
  }
  const rows = Uint32Array.of(7, 0, 2047, 7);
  expect(await stored.readRows(EMBEDDING, rows)).toEqual(await dense.readRows(EMBEDDING, rows));
  expect(await stored.readRowRange(EMBEDDING, 10, 12)).toEqual(await dense.readRowRange(EMBEDDING, 10, 12));
});

test('a packed linear reads back as the dense matrix of what was kept', async () => {
  const description = describeCheckpoint(checkpoint);
  const read = await storeWeights(run, description).read(description.linears[0]!.weight(0));
  expect(read).toEqual(await unpackToF32(await packedQ()));
  expect(read.filter((value) => value !== 0).length).toBeLessThanOrEqual(read.length / 2);
});

test('a packed linear is had as it is packed, in memory that is given', async () => {
  const description = describeCheckpoint(checkpoint);
  const given: ArrayBufferLike[] = [];
  const memory = (bytes: number) => {
    const array = new Uint8Array(bytes);
    given.push(array.buffer);
    return array;
  };
  const name = description.linears[0]!.weight(0);
  const { values, indices, permutation } = (await storeWeights(run, description).packed!(
    name,
    undefined,
    memory,
  ))!;
  const expected = await packedQ();
  expect({ values, indices, permutation }).toEqual({
    values: expected.values,
    indices: expected.indices,
    permutation: expected.permutation,
  });
  expect(new Set(given)).toEqual(new Set([values, indices, permutation].map(({ buffer }) => buffer)));
});

test('a block that is not committed is an error, not zeros', async () => {
  const description = describeCheckpoint(checkpoint);
  const stored = storeWeights(run, description);
  await expect(stored.read(description.linears[0]!.weight(1))).rejects.toMatchObject({ kind: 'store' });
});

test('an inspection tells committed and packed from what is not', async () => {
  const blocks = await inspectBlocks(run, describeCheckpoint(checkpoint));
  expect(blocks.map(({ committed }) => committed)).toEqual([true, false, false, false]);
  const [q, k] = blocks[0]!.linears;
  expect(q).toMatchObject({ name: 'q_proj', pattern: '2:4', keptScoreGain: 0.5 });
  expect(q!.bytes / q!.denseBytes).toBe(0.5625);
  expect(k!.pattern).toBeUndefined();
  expect(totalsOf(blocks).keptScoreGain).toBe(0.5);
});

test('a linear that was left dense takes the bytes that it is stored in: twice as many in f32', () => {
  const [q, k] = describeCheckpoint(checkpoint).linears;
  const [half, single] = [q!, k!].map((linear) => linear.weight(0));
  const arrays = new Map([
    [densePath(half!), { bytes: 2 * q!.rows * q!.cols }],
    [densePath(single!), { bytes: 4 * k!.rows * k!.cols }],
  ]);
  const group = { arrays, attributes: {} } as unknown as Parameters<typeof inspectBlock>[0];
  const [first, second] = inspectBlock(group, describeCheckpoint(checkpoint), 0).linears;
  expect(first!.bytes / first!.denseBytes).toBe(1);
  expect(second!.bytes / second!.denseBytes).toBe(2);
});

test('the files of a tokenizer read back as they were in the checkpoint', async () => {
  const files = await tokenizerFiles(MODEL);
  await writeTokenizerFiles(writer, files);
  const byName = (list: typeof files) => new Map(list.map(({ name, bytes }) => [name, Buffer.from(bytes)]));
  expect(byName(await readTokenizerFiles(run))).toEqual(byName(files));
});

test('a weight that integers cannot hold is told with the name of its tensor', async () => {
  const damaged = {
    info: () => ({ ...checkpoint.info(EMBEDDING), dtype: 'F32' as const, shape: [2, 2] }),
    read: () => Promise.resolve(NOT_FINITE),
  };
  await expect(integersFit({ checkpoint: damaged, tensor: EMBEDDING }, { bits: 4 })).rejects.toMatchObject({
    kind: 'numeric',
    message: `${EMBEDDING}: the weight of row 0, channel 1 is not finite`,
    hint: expect.stringContaining('check the checkpoint'),
  });
});
