import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { graphFile, openCheckpoint, type GraphInput } from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describePrunableCheckpoint, isGraph } from '@esparse/model';
import { findBranches } from './find-branches.ts';
import type { TensorValue } from './tensor-session.ts';

const [HIDDEN, INPUTS] = [4, 8];
const numbers = (seed: number, ...shape: number[]) => ({
  shape,
  data: Float32Array.from(
    { length: shape.reduce((product, size) => product * size, 1) },
    uniform(2 * seed + 1, -1, 1),
  ),
});

/** Weights of an LSTM as PyTorch's exporter writes them: the gates of one matrix in another order, and an axis before. */
const reordered = (matrix: string, made: string) => [
  ...[0, 3, 1, 2].map((gate) => ({
    op: 'Slice',
    inputs: [matrix, `at${gate}`, `at${gate + 1}`, 'axis'],
    outputs: [`${made}${gate}`],
  })),
  {
    op: 'Concat',
    inputs: [0, 3, 1, 2].map((gate) => `${made}${gate}`),
    outputs: [`${made}gates`],
    attributes: { axis: 0 },
  },
  { op: 'Unsqueeze', inputs: [`${made}gates`, 'axis'], outputs: [made] },
];

const places = Object.fromEntries(
  [0, 1, 2, 3, 4].map((gate) => [`at${gate}`, { shape: [1], data: BigInt64Array.of(BigInt(gate * HIDDEN)) }]),
);
const rate = { shape: [], data: BigInt64Array.of(16000n) };

const network: GraphInput = {
  inputs: [
    { name: 'x', shape: ['t', 1, INPUTS] },
    { name: 'sr', type: 7, shape: [] },
  ],
  constants: { rate },
  nodes: [
    { op: 'Equal', inputs: ['sr', 'rate'], outputs: ['is16k'] },
    {
      ...{ op: 'If', inputs: ['is16k'], outputs: ['y'] },
      attributes: {
        then_branch: {
          graph: {
            constants: {
              ...places,
              axis: { shape: [1], data: BigInt64Array.of(0n) },
              w: numbers(1, 4 * HIDDEN, INPUTS),
              r: numbers(2, 4 * HIDDEN, HIDDEN),
            },
            nodes: [
              ...reordered('w', 'W'),
              ...reordered('r', 'R'),
              {
                op: 'LSTM',
                inputs: ['x', 'W', 'R'],
                outputs: ['states'],
                attributes: { hidden_size: HIDDEN },
              },
              { op: 'Identity', inputs: ['states'], outputs: ['inner'] },
            ],
            outputs: ['inner'],
          },
        },
        else_branch: {
          graph: { nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['other'] }], outputs: ['other'] },
        },
      },
    },
  ],
  outputs: ['y'],
};

const sampleOf = (sampling: bigint): ReadonlyMap<string, TensorValue> =>
  new Map([
    ['x', { type: 1, shape: [2, 1, INPUTS], bytes: new Uint8Array(8 * INPUTS) }],
    ['sr', { type: 7, shape: [], bytes: new Uint8Array(BigInt64Array.of(sampling).buffer) }],
  ]);

test('a branch that all samples take is looked into, also weights that are put together there; one that differs is not', async () => {
  const file = graphFile(network);
  const find = (...rates: bigint[]) =>
    findBranches(file, { location: 'it', count: rates.length, sample: (index) => sampleOf(rates[index]!) });
  expect(await find(16000n, 16000n)).toEqual({ y: true });
  expect(await find(8000n)).toEqual({ y: false });
  expect(await find(16000n, 8000n)).toEqual({});

  const folder = await mkdtemp(path.join(tmpdir(), 'esparse-branches-'));
  try {
    const at = path.join(folder, 'net.onnx');
    await writeFile(at, file);
    await expect(openCheckpoint(at)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('y (If): it has graphs inside'),
    });
    const checkpoint = await openCheckpoint(at, undefined, { y: true });
    const description = describePrunableCheckpoint(checkpoint);
    if (!isGraph(description)) throw new Error('no graph');
    expect(description.linears.map(({ name, rows, cols }) => [name, rows, cols])).toEqual([
      ['states.input', 4 * HIDDEN, INPUTS],
      ['states.state', 4 * HIDDEN, HIDDEN],
    ]);
    // In the order of the file, whose rows the graph takes in another.
    const bytes = new Uint8Array(await checkpoint.read('states.input'));
    expect(new Float32Array(bytes.buffer)).toEqual(numbers(1, 4 * HIDDEN, INPUTS).data);
    await checkpoint.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
