import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  checkpointWeights,
  type ConstantInput,
  elementCount,
  graphFile,
  type GraphInput,
  type NodeInput,
  openCheckpoint,
} from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describePrunableCheckpoint, graphOf, type GraphDescription } from '@esparse/model';
import { boundaryOf, createGraphRunner } from './graph-runner.ts';
import { packState, unpackState } from './state.ts';
import { createTensorSession, type TensorValue } from './tensor-session.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-graph-'));
});
afterAll(() => rm(folder, { recursive: true }));

const floats = (data: Float32Array, ...shape: number[]): TensorValue => ({
  ...{ type: 1, shape },
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});
/** Numbers from -1 to 1. */
const numbers = (seed: number, count: number) =>
  Float32Array.from({ length: count }, uniform(2 * seed + 1, -1, 1));
const asFloats = ({ bytes }: TensorValue) => new Float32Array(new Uint8Array(bytes).buffer);
const constant = (seed: number, ...shape: number[]): ConstantInput => ({
  shape,
  data: numbers(seed, elementCount(shape)),
});

/** Opens a graph, and gives what it makes of one sample. */
async function opened(graph: GraphInput, sample: ReadonlyMap<string, TensorValue>) {
  const file = path.join(folder, `${Math.random()}.onnx`);
  const bytes = graphFile(graph);
  await writeFile(file, bytes);
  const checkpoint = await openCheckpoint(file);
  const description = describePrunableCheckpoint(checkpoint) as GraphDescription;
  const skeleton = await graphOf(checkpoint);
  const session = await createTensorSession(bytes, { what: 'the graph', threads: 1 });
  const runner = await createGraphRunner(description, skeleton, { threads: 1 });
  const state = packState(boundaryOf(description, skeleton, 0).map((name) => sample.get(name)!));
  return {
    ...{ checkpoint, description, runner, state, weights: checkpointWeights(checkpoint) },
    run: (outputs: string[]) => session.run(sample, outputs),
  };
}

/** Inputs of the linears of a step times their weights, in f64: (rows x outputs), by linear. */
async function products({ description, runner, state, weights }: Awaited<ReturnType<typeof opened>>) {
  const step = await runner.load(0, weights);
  const taps = new Map((await step.taps(state)).map((tap) => [tap.tap, tap]));
  const found = new Map<string, { rows: number; outputs: number; data: Float64Array }>();
  for (const { name, tap, rows: outputs, cols } of description.graph.linears) {
    const { rows, data } = taps.get(tap)!;
    const matrix = await weights.read(name);
    const made = new Float64Array(rows * outputs);
    for (let r = 0; r < rows; r++) {
      for (let o = 0; o < outputs; o++) {
        let sum = 0;
        for (let c = 0; c < cols; c++) sum += data[r * cols + c]! * matrix[o * cols + c]!;
        made[r * outputs + o] = sum;
      }
    }
    found.set(name, { rows, outputs, data: made });
  }
  return found;
}

const conv = (attributes: NonNullable<NodeInput['attributes']>, weight: ConstantInput): GraphInput => ({
  inputs: [{ name: 'x', shape: [2, 4, 7, 6] }],
  constants: { w: weight },
  nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes }],
  outputs: ['y'],
});

test.each<[string, GraphInput]>([
  ['one by one', conv({}, constant(1, 8, 4, 1, 1))],
  ['padded, uneven', conv({ pads: [1, 0, 2, 1] }, constant(2, 8, 4, 3, 2))],
  ['in strides', conv({ strides: [2, 3] }, constant(3, 8, 4, 3, 3))],
  ['dilated', conv({ dilations: [2, 1], pads: [1, 1, 1, 1] }, constant(4, 8, 4, 3, 3))],
  [
    'as large as before, zeros behind',
    conv({ auto_pad: 'SAME_UPPER', strides: [2, 2] }, constant(5, 8, 4, 3, 2)),
  ],
  [
    'as large as before, zeros first',
    conv({ auto_pad: 'SAME_LOWER', strides: [2, 2] }, constant(6, 8, 4, 2, 2)),
  ],
  ['in groups', conv({ group: 2 }, constant(7, 6, 2, 3, 3))],
])('the inputs of a convolution times its weights are its output: %s', async (_, graph) => {
  const x = floats(numbers(11, 2 * 4 * 7 * 6), 2, 4, 7, 6);
  const open = await opened(graph, new Map([['x', x]]));
  const y = (await open.run(['y'])).get('y')!;
  const [batch, channels, height, width] = y.shape as [number, number, number, number];
  const expected = asFloats(y);
  const space = height * width;
  let first = 0;
  for (const { rows, outputs, data } of (await products(open)).values()) {
    expect(rows).toBe(batch * space);
    for (let item = 0; item < batch; item++) {
      for (let o = 0; o < outputs; o++) {
        for (let at = 0; at < space; at++) {
          const due = expected[(item * channels + first + o) * space + at]!;
          expect(data[(item * space + at) * outputs + o]).toBeCloseTo(due, 4);
        }
      }
    }
    first += outputs;
  }
  expect(first).toBe(channels);
  await open.runner.release();
  await open.checkpoint.close();
});

test.each(['forward', 'reverse', 'bidirectional'])(
  'the input of a recurrent matrix is the state one step before: %s',
  async (direction) => {
    const both = direction === 'bidirectional' ? 2 : 1;
    const [time, batch, hidden] = [5, 2, 4];
    const open = await opened(
      {
        inputs: [
          { name: 'x', shape: [time, batch, 8] },
          { name: 'h', shape: [both, batch, hidden] },
        ],
        constants: { w: constant(1, both, 3 * hidden, 8), r: constant(2, both, 3 * hidden, hidden) },
        // The states that are not taken are an output nevertheless.
        nodes: [
          {
            ...{ op: 'GRU', inputs: ['x', 'w', 'r', '', '', 'h'], outputs: ['', 'last'] },
            attributes: { hidden_size: hidden, direction },
          },
        ],
        outputs: ['last'],
      },
      new Map([
        ['x', floats(numbers(3, time * batch * 8), time, batch, 8)],
        ['h', floats(numbers(5, both * batch * hidden), both, batch, hidden)],
      ]),
    );
    const step = await open.runner.load(0, open.weights);
    const taps = await step.taps(open.state);
    const initial = asFloats(unpackState(open.state, ['h', 'x']).get('h')!);
    const last = asFloats((await open.run(['last'])).get('last')!);
    const size = batch * hidden;
    const states = taps.filter(({ tap }) => tap.includes('state'));
    expect(states).toHaveLength(both);
    for (const [d, { rows, data }] of states.entries()) {
      expect(rows).toBe(time * batch);
      const backwards = direction === 'reverse' || d === 1;
      const at = (t: number) => data.subarray((backwards ? time - 1 - t : t) * size).subarray(0, size);
      expect(at(0)).toEqual(initial.slice(d * size, (d + 1) * size));
      // It goes on from there to the end, which is not among them.
      expect(at(1)).not.toEqual(at(0));
      expect(at(time - 1)).not.toEqual(last.slice(d * size, (d + 1) * size));
    }
    await open.runner.release();
    await open.checkpoint.close();
  },
);

test('the steps of a graph, one after the other, give what the whole graph gives, whatever the types between', async () => {
  const graph: GraphInput = {
    inputs: [
      { name: 'x', shape: ['n', 8] },
      { name: 'which', type: 7, shape: ['k'] },
    ],
    constants: { a: constant(1, 8, 8), b: constant(2, 8, 8), c: constant(3, 8, 4), zero: constant(4) },
    nodes: [
      { op: 'MatMul', inputs: ['x', 'a'], outputs: ['xa'] },
      { op: 'Greater', inputs: ['xa', 'zero'], outputs: ['positive'] },
      { op: 'Shape', inputs: ['xa'], outputs: ['shape'] },
      { op: 'MatMul', inputs: ['xa', 'b'], outputs: ['xb'] },
      { op: 'Where', inputs: ['positive', 'xb', 'x'], outputs: ['chosen'] },
      { op: 'Gather', inputs: ['chosen', 'which'], outputs: ['some'] },
      { op: 'MatMul', inputs: ['some', 'c'], outputs: ['y'] },
      { op: 'Cast', inputs: ['shape'], outputs: ['size'], attributes: { to: 1 } },
      { op: 'ReduceSum', inputs: ['size'], outputs: ['total'], attributes: { keepdims: 0 } },
      { op: 'Add', inputs: ['y', 'total'], outputs: ['z'] },
    ],
    outputs: ['z', 'some'],
  };
  const which: TensorValue = { type: 7, shape: [2], bytes: new Uint8Array(BigInt64Array.of(2n, 0n).buffer) };
  const sample = new Map([
    ['x', floats(numbers(7, 24), 3, 8)],
    ['which', which],
  ]);
  const { runner, description, weights, state, run, checkpoint } = await opened(graph, sample);
  expect(description.blocks).toBe(3);
  let now = state;
  for (let step = 0; step < 3; step++) {
    const loaded = await runner.load(step, weights);
    if (step === 2) {
      const [tap] = await loaded.taps(now);
      expect(tap).toMatchObject({ rows: 2, channels: 8 });
      expect(tap!.data).toEqual(asFloats((await run(['some'])).get('some')!));
    } else now = await loaded.advance(now);
  }
  await runner.release();
  await checkpoint.close();
});

test('a state that is cut short, or of other values, is refused', () => {
  const state = packState([floats(numbers(1, 6), 2, 3)]);
  expect(() => unpackState(state.slice(0, -1), ['x'])).toThrow('are not the values x');
  expect(() => unpackState(state, ['x', 'y'])).toThrow('are not the values x, y');
  expect(unpackState(state, ['x']).get('x')!.shape).toEqual([2, 3]);
});
