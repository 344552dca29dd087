import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openCheckpoint } from '../checkpoint.ts';
import type { GraphParts } from './describe.ts';
import { decodeModel, encodeModel } from './messages.ts';
import { elementsIn, setElements, tensorsOf } from './tensors.ts';
import { graphFile, type ConstantInput, type GraphInput } from './write-graph.ts';

let folder: string;
let number = 0;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-onnx-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function opened(graph: GraphInput, opset?: number) {
  const file = path.join(folder, `${number++}.onnx`);
  await writeFile(file, graphFile(graph, opset));
  const checkpoint = await openCheckpoint(file);
  return { checkpoint, parts: checkpoint.config as unknown as GraphParts };
}

const counting = (...shape: number[]): ConstantInput => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, i) => i),
});
const product = (weight: ConstantInput, op = 'MatMul', attributes = {}): GraphInput => ({
  inputs: [{ name: 'x', shape: ['n', 2] }],
  constants: { w: weight },
  nodes: [{ op, inputs: ['x', 'w'], outputs: ['y'], attributes }],
  outputs: ['y'],
});
const floatsOf = (bytes: Uint8Array) => [...new Float32Array(new Uint8Array(bytes).buffer)];

test('a matrix is outputs by inputs, however it lies in the graph: those of a convolution are position by position, channels last', async () => {
  const byColumns = await opened(product(counting(2, 3)));
  expect(byColumns.checkpoint.info('y').shape).toEqual([3, 2]);
  expect(floatsOf(await byColumns.checkpoint.read('y'))).toEqual([0, 3, 1, 4, 2, 5]);
  const byRows = await opened(product(counting(3, 2), 'Gemm', { transB: 1 }));
  expect(floatsOf(await byRows.checkpoint.read('y'))).toEqual([0, 1, 2, 3, 4, 5]);
  const conv = await opened({
    ...product(counting(1, 2, 1, 3), 'Conv'),
    inputs: [{ name: 'x', shape: [1, 2, 1, 9] }],
  });
  expect(conv.parts.linears).toEqual([expect.objectContaining({ rows: 1, cols: 6, inner: 2 })]);
  expect(floatsOf(await conv.checkpoint.read('y'))).toEqual([0, 3, 1, 4, 2, 5]);
});

test('weights in a file beside the graph, and of f16, are read; a file that is missing or too short is named', async () => {
  const bytes = new Uint8Array(counting(8).data.buffer);
  await writeFile(path.join(folder, 'weights.bin'), bytes);
  const beside = (location: string, offset: number) => ({
    ...counting(2, 3),
    external: { location, offset },
  });
  const { checkpoint } = await opened(product(beside('weights.bin', 4)));
  expect(floatsOf(await checkpoint.read('y'))).toEqual([1, 4, 2, 5, 3, 6]);
  await expect(opened(product(beside('none.bin', 0)))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('keeps weights in none.bin, which is missing'),
  });
  await expect(opened(product(beside('weights.bin', 16)))).rejects.toMatchObject({ kind: 'checkpoint' });
  for (const location of ['../weights.bin', '/etc/passwd', 'a/b', '..', '']) {
    await expect(opened(product(beside(location, 0)))).rejects.toMatchObject({
      kind: 'checkpoint',
      message: expect.stringContaining("lies outside the graph's folder"),
    });
  }
  const half = await opened(product({ shape: [2, 2], data: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400) }));
  expect(half.checkpoint.info('y').dtype).toBe('F16');
  expect([...(await half.checkpoint.read('y'))]).toEqual([0x00, 0x3c, 0x00, 0x42, 0x00, 0x40, 0x00, 0x44]);
});

test('what is left as it is says why', async () => {
  const { parts } = await opened({
    inputs: [
      { name: 'x', shape: ['n', 4] },
      { name: 'z', shape: [4, 4] },
    ],
    constants: { w: counting(4, 4), shared: counting(4, 4), deep: counting(2, 4, 4), table: counting(9, 4) },
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['a'] },
      { op: 'MatMul', inputs: ['a', 'shared'], outputs: ['b'] },
      { op: 'MatMul', inputs: ['b', 'shared'], outputs: ['c'] },
      { op: 'MatMul', inputs: ['c', 'z'], outputs: ['d'] },
      { op: 'MatMul', inputs: ['deep', 'z'], outputs: ['e'] },
      { op: 'Einsum', inputs: ['d', 'table'], outputs: ['f'], attributes: { equation: 'ij,kj->ik' } },
      { op: 'Odd', domain: 'com.example', inputs: ['f', 'table'], outputs: ['g'] },
    ],
    outputs: ['e', 'g'],
  });
  expect(parts.linears.map(({ name }) => name)).toEqual(['a']);
  expect(parts.left.map(({ node, operator, why }) => [node, operator, why])).toEqual([
    ['b', 'MatMul', 'its weights are those of another node, too'],
    ['c', 'MatMul', 'its weights are those of another node, too'],
    ['d', 'MatMul', 'its weights are no constant of the graph'],
    ['e', 'MatMul', 'its constant is the left factor'],
    ['f', 'Einsum', 'it has a matrix, and is no operator whose weights are pruned'],
    ['g', 'com.example.Odd', 'it has a matrix, and is no operator whose weights are pruned'],
  ]);
});

test('a digest is of all that computes: the graph without its matrices, and samples of these', async () => {
  const digest = async (graph: GraphInput) => (await opened(graph)).checkpoint.digest;
  const base = await digest(product(counting(2, 3)));
  expect(await digest(product(counting(2, 3)))).toBe(base);
  const other = counting(2, 3);
  other.data[5] = 9;
  expect(await digest(product(other))).not.toBe(base);
  expect(await digest({ ...product(counting(2, 3)), outputs: [{ name: 'y', shape: ['n', 3] }] })).not.toBe(
    base,
  );
});

test('names of nodes become plain and differ; names that are numbers keep the order of the graph', async () => {
  const { parts, checkpoint } = await opened({
    ...product(counting(2, 2)),
    constants: { w: counting(2, 2), v: counting(2, 2), u: counting(2, 2) },
    nodes: [
      { op: 'MatMul', name: '/a b/../c', inputs: ['x', 'w'], outputs: ['1'] },
      { op: 'MatMul', name: 'a.b.c', inputs: ['1', 'v'], outputs: ['0'] },
      { op: 'MatMul', name: '7', inputs: ['0', 'u'], outputs: ['y'] },
    ],
  });
  const names = parts.linears.map(({ name }) => name);
  expect(new Set(names).size).toBe(3);
  for (const name of names) expect(name).toMatch(/^\w[\w.-]*$/);
  expect(floatsOf(await checkpoint.read('7'))).toEqual([0, 2, 1, 3]);
});

test('a graph that is read and written again is byte for byte what it was, elements taken out and put back too', () => {
  const file = graphFile(product(counting(2, 3)));
  const model = decodeModel(file, 'it');
  expect(Buffer.compare(encodeModel(model), file)).toBe(0);
  const [{ message } = { message: undefined }] = tensorsOf(model.graph);
  const elements = elementsIn(message!);
  setElements(message!, new Float32Array(0));
  expect(encodeModel(model).length).toBe(file.length - 24);
  setElements(message!, elements);
  expect(Buffer.compare(encodeModel(model), file)).toBe(0);
});
