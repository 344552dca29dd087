import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { graphFile, openCheckpoint, type Checkpoint } from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describePrunableCheckpoint, graphOf, isGraph } from '@esparse/model';
import { createTensorSession } from '@esparse/onnx';
import type { GraphSource } from '../source.ts';
import { prunedGraph, prunedGraphFiles, type PrunedGraphOptions } from './pruned-graph.ts';

let folder: string;
let checkpoint: Checkpoint;
let source: GraphSource;
const at = (name: string) => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-graph-file-'));
  const matrix = (seed: number, ...shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, uniform(2 * seed + 1, -1, 1)),
  });
  await writeFile(
    at('net.onnx'),
    graphFile({
      inputs: [{ name: 'x', shape: [1, 8] }],
      constants: { w: matrix(1, 8, 600), b: matrix(2, 600), v: matrix(3, 600, 12) },
      nodes: [
        { op: 'Gemm', inputs: ['x', 'w', 'b'], outputs: ['a'] },
        { op: 'Tanh', inputs: ['a'], outputs: ['t'] },
        { op: 'MatMul', inputs: ['t', 'v'], outputs: ['y'] },
      ],
      outputs: ['y'],
    }),
  );
  checkpoint = await openCheckpoint(at('net.onnx'));
  const description = describePrunableCheckpoint(checkpoint);
  if (!isGraph(description)) throw new Error('no graph');
  // The weights of the file itself stand for those of a run.
  source = {
    ...{ description, fingerprint: '', attributes: {} as GraphSource['attributes'] },
    graph: () => graphOf(checkpoint),
    tensors: {
      info: (name) => Promise.resolve(checkpoint.info(name)),
      read: (name, signal) => checkpoint.read(name, signal),
      mask: () => Promise.resolve(undefined),
      order: () => Promise.resolve(undefined),
    },
  };
});
afterAll(async () => {
  await checkpoint.close();
  await rm(folder, { recursive: true });
});

/** Writes the files of an export as `exportRun` names them. */
async function written(options: PrunedGraphOptions): Promise<string[]> {
  const files = await prunedGraphFiles(source, options);
  const names = files.map(({ name }) => name.replace('model.onnx', options.name));
  for (const [i, { parts }] of files.entries()) {
    const bytes = await Promise.all(
      parts.map(async (part) => {
        const read = await part.read();
        expect(read.byteLength).toBe(part.bytes);
        return read;
      }),
    );
    await writeFile(at(names[i]!), Buffer.concat(bytes));
  }
  return names;
}

async function outputOf(file: string): Promise<number[]> {
  const session = await createTensorSession(file, { what: file, threads: 1 });
  const x = Float32Array.from({ length: 8 }, uniform(9, -1, 1));
  const inputs = new Map([['x', { type: 1, shape: [1, 8], bytes: new Uint8Array(x.buffer) }]]);
  const { bytes } = (await session.run(inputs, ['y'])).get('y')!;
  await session.release();
  return [...new Float32Array(new Uint8Array(bytes).buffer)];
}

const moved = () => {
  const order = Int32Array.from({ length: 600 }, (_, i) => (i * 7) % 600);
  const [w, v] = source.description.graph.linears.map(({ place }) => place.tensor);
  const b = 1;
  expect([w, b, v]).toEqual([0, 1, 2]);
  return new Map([
    [0, new Map([[1, order]])],
    [b, new Map([[0, order]])],
    [2, new Map([[0, order]])],
  ]);
};

test('matrices that one file does not hold lie in a second one, and the graph computes the same, in other orders too', async () => {
  const dense = await outputOf(at('net.onnx'));
  expect(await written({ name: 'one.onnx' })).toEqual(['one.onnx']);
  expect(await outputOf(at('one.onnx'))).toEqual(dense);
  const most = 8 * 600;
  expect(await written({ name: 'two.onnx', most })).toEqual(['two.onnx_data', 'two.onnx']);
  expect((await readFile(at('two.onnx'))).byteLength).toBeLessThan(most);
  expect(await outputOf(at('two.onnx'))).toEqual(dense);
  await written({ name: 'moved.onnx', most, moved: moved() });
  (await outputOf(at('moved.onnx'))).forEach((value, i) => {
    expect(value).toBeCloseTo(dense[i]!, 4);
  });
  expect(await readFile(at('moved.onnx_data'))).not.toEqual(await readFile(at('two.onnx_data')));

  // What was written can be pruned again: its weights are read by their places in the second file.
  const again = await openCheckpoint(at('two.onnx'));
  for (const { name } of source.description.graph.linears) {
    expect(Buffer.compare(await again.read(name), await checkpoint.read(name))).toBe(0);
  }
  await again.close();
});

test('a graph that is too large without its matrices is refused, and so is one in memory', async () => {
  await expect(prunedGraphFiles(source, { name: 'it', most: 500 })).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('without its matrices'),
  });
  expect((await prunedGraph(source)).byteLength).toBeGreaterThan(4 * 600 * 20);
});
