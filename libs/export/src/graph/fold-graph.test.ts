import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  decodeModel,
  elementsIn,
  encodeModel,
  gatherMatrix,
  graphFile,
  openCheckpoint,
  reachesOf,
  scatterMatrix,
  setElements,
  shapeOf,
  tensorsOf,
  viewOf,
  type ConstantInput,
  type GraphLinear,
  type NodeInput,
  type ReachSpan,
} from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describePrunableCheckpoint, isGraph, type GraphDescription } from '@esparse/model';
import { createTensorSession } from '@esparse/onnx';
import { canonicalOrder, identityOrder } from '@esparse/sparsity';
import { foldGraph, inOrder } from './fold-graph.ts';

const PATTERN = { keep: 2, group: 4 };
const SIZE = 6;

/** Whole numbers below a bound, the same for a seed. */
function dice(seed: number) {
  const next = uniform(2 * seed + 1, 0, 1);
  return (bound: number) => Math.min(bound - 1, Math.floor(next() * bound));
}

/**
 * A network of pictures, (1, 8, 6, 6), of random nodes that keep the order of channels, cut it or put it together, and then of
 * vectors: all that orders are followed through.
 */
function randomNetwork(seed: number, nodes: number): Uint8Array {
  const pick = dice(seed);
  const random = uniform(2 * seed + 7, -1, 1);
  const constants: Record<string, ConstantInput> = {};
  const list: NodeInput[] = [];
  const constant = (shape: number[], make: (value: number) => number = (value) => value) => {
    const name = `w${Object.keys(constants).length}`;
    const count = shape.reduce((product, size) => product * size, 1);
    constants[name] = { shape, data: Float32Array.from({ length: count }, () => make(random())) };
    return name;
  };
  const weight = (...shape: number[]) => {
    const fan = shape.slice(1).reduce((product, size) => product * size, 1);
    return constant(shape, (value) => (1.7 * value) / Math.sqrt(fan));
  };
  const positive = (shape: number[]) => constant(shape, (value) => 1 + 0.3 * value);
  const whole = (...values: number[]) => {
    const name = `w${Object.keys(constants).length}`;
    constants[name] = { shape: [values.length], data: BigInt64Array.from(values, BigInt) };
    return name;
  };
  const add = (op: string, inputs: string[], attributes: NodeInput['attributes'] = {}, outputs = 1) => {
    const names = Array.from({ length: outputs }, (_, i) => `n${list.length}${i === 0 ? '' : `_${i}`}`);
    list.push({ op, inputs, outputs: names, attributes });
    return names;
  };
  const one = (op: string, inputs: string[], attributes: NodeInput['attributes'] = {}) =>
    add(op, inputs, attributes)[0]!;
  const pads = [1, 1, 1, 1];
  // What a value is and how many channels it has.
  const values: { name: string; channels: number }[] = [{ name: 'x', channels: 8 }];
  const push = (name: string, channels: number) => values.push({ name, channels });
  const convolve = (name: string, channels: number, kernel: number, to: number) =>
    one('Conv', [name, weight(to, channels, kernel, kernel), weight(to)], kernel === 3 ? { pads } : {});
  for (let i = 0; i < nodes; i++) {
    const { name, channels: c } = values[Math.max(0, values.length - 1 - pick(3))]!;
    const to = 4 * (1 + pick(5));
    const twin = values.findLast((other) => other.channels === c && other.name !== name);
    const kinds: (() => unknown)[] = [
      () => push(convolve(name, c, 1, to), to),
      () => push(convolve(name, c, 3, to), to),
      () => push(one('Conv', [name, weight(c, 1, 3, 3), weight(c)], { group: c, pads }), c),
      () => c % 8 === 0 && push(one('Conv', [name, weight(c, c / 2, 1, 1)], { group: 2 }), c),
      () => push(one('Relu', [name]), c),
      () => push(one('BatchNormalization', [name, positive([c]), weight(c), weight(c), positive([c])]), c),
      () => push(one('InstanceNormalization', [name, positive([c]), weight(c)]), c),
      () => push(one('GroupNormalization', [name, positive([c]), weight(c)], { num_groups: 2 }), c),
      () =>
        push(one('LayerNormalization', [name, positive([c, 1, 1]), weight(c, SIZE, SIZE)], { axis: 1 }), c),
      () => twin && push(one('Add', [name, twin.name]), c),
      () => twin && push(one('Concat', [name, twin.name], { axis: 1 }), 2 * c),
      () => push(one('Concat', [name, values[0]!.name], { axis: -3 }), c + 8),
      () => {
        if (c % 8 !== 0) return;
        const parts = add('Split', [name, whole(4, c - 4)], { axis: 1 }, 2);
        push(parts[0]!, 4);
        push(parts[1]!, c - 4);
      },
      () =>
        push(one('Mul', [name, one('Sigmoid', [convolve(one('GlobalAveragePool', [name]), c, 1, c)])]), c),
      () => push(one('Mul', [name, convolve(name, c, 1, 1)]), c),
      () => push(one('Sub', [name, one('ReduceMean', [name, whole(1)], { keepdims: 1 })]), c),
      () => {
        const last = one('Transpose', [name], { perm: [0, 2, 3, 1] });
        const normal = one('LayerNormalization', [last, positive([c]), weight(c)], { axis: -1 });
        const biased = one('Add', [one('MatMul', [normal, weight(c, to)]), weight(to)]);
        push(one('Transpose', [biased], { perm: [0, 3, 1, 2] }), to);
      },
      () => push(one('ConvTranspose', [name, weight(c, to, 1, 1), weight(to)]), to),
      () => {
        const padded = one('Pad', [name, whole(0, 0, 1, 1, 0, 0, 1, 1)]);
        push(one('Conv', [padded, weight(to, c, 3, 3)]), to);
      },
      () => {
        const scales = constant([4], () => 2);
        constants[scales] = { shape: [4], data: Float32Array.of(1, 1, 2, 2) };
        const larger = one('Resize', [name, '', scales], { mode: 'nearest' });
        push(one('MaxPool', [larger], { kernel_shape: [2, 2], strides: [2, 2] }), c);
      },
      () => {
        const more = one('Unsqueeze', [name, whole(2)]);
        push(one('Squeeze', [one('Neg', [more]), whole(2)]), c);
      },
      // As PaddlePaddle's exporter adds a bias.
      () => push(one('Add', [name, one('Reshape', [weight(c), whole(1, c, 1, 1)])]), c),
      () => {
        const flat = one('Reshape', [name, whole(0, c, -1)]);
        push(one('Reshape', [one('Tanh', [flat]), whole(0, c, SIZE, SIZE)]), c);
      },
    ];
    kinds[pick(kinds.length)]!();
  }
  const { name, channels } = values.at(-1)!;
  const pooled = one('GlobalAveragePool', [convolve(name, channels, 1, 16)]);
  const vector =
    pick(2) === 0
      ? one('Flatten', [pooled], { axis: 1 })
      : one('ReduceMean', [pooled, whole(2, 3)], { keepdims: 0 });
  const first = one('Gemm', [vector, weight(16, 16), weight(16)], { transB: 1 });
  const states = one('LSTM', [one('Unsqueeze', [first, whole(0)]), weight(1, 32, 16), weight(1, 32, 8)], {
    hidden_size: 8,
  });
  const hidden = one('Gemm', [one('Reshape', [states, whole(1, 8)]), weight(16, 8), weight(16)], {
    transB: 1,
  });
  const other = one('MatMul', [one('Relu', [hidden]), weight(16, 8)]);
  const both = one('Concat', [hidden, other], { axis: -1 });
  const normal = one('LayerNormalization', [both, positive([24]), weight(24)]);
  list.push({ op: 'MatMul', inputs: [normal, weight(24, 8)], outputs: ['y'], attributes: {} });
  return graphFile(
    { inputs: [{ name: 'x', shape: [1, 8, SIZE, SIZE] }], constants, nodes: list, outputs: ['y'] },
    21,
  );
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-fold-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function describe(file: Uint8Array): Promise<GraphDescription> {
  const at = path.join(folder, 'net.onnx');
  await writeFile(at, file);
  const checkpoint = await openCheckpoint(at);
  const description = describePrunableCheckpoint(checkpoint);
  await checkpoint.close();
  if (!isGraph(description)) throw new Error('no graph');
  return description;
}

async function run(file: Uint8Array): Promise<Float32Array> {
  const session = await createTensorSession(file, { what: 'it', threads: 1 });
  const data = Float32Array.from({ length: 8 * SIZE * SIZE }, uniform(5, -1, 1));
  const x = { type: 1, shape: [1, 8, SIZE, SIZE], bytes: new Uint8Array(data.buffer) };
  const { bytes } = (await session.run(new Map([['x', x]]), ['y'])).get('y')!;
  await session.release();
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function shuffled(length: number, pick: (bound: number) => number): Int32Array {
  const order = identityOrder(length);
  for (let i = length - 1; i > 0; i--) {
    const j = pick(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** An order of the inputs within spans, whole groups of them alone. */
function within(
  linear: GraphLinear,
  spans: readonly ReachSpan[],
  pick: (bound: number) => number,
): Int32Array {
  const order = identityOrder(linear.cols);
  for (const { starts, length } of spans) {
    const before = (PATTERN.group - (starts[0]! % PATTERN.group)) % PATTERN.group;
    const size = Math.max(0, Math.floor((length - before) / PATTERN.group) * PATTERN.group);
    const own = canonicalOrder(shuffled(size, pick), PATTERN.group);
    for (const start of starts)
      order.set(
        own.map((channel) => start + before + channel),
        start + before,
      );
  }
  return order;
}

/** Two of every four weights in an order are 0. */
function prune(model: ReturnType<typeof decodeModel>, linear: GraphLinear, order: Int32Array): void {
  const { message } = tensorsOf(model.graph)[linear.place.tensor]!;
  const elements = elementsIn(message) as Float32Array;
  const matrix = gatherMatrix(elements, linear.place, linear);
  for (let row = 0; row < linear.rows; row++) {
    order.forEach((channel, at) => {
      if (at % 4 < 2) matrix[row * linear.cols + channel] = 0;
    });
  }
  scatterMatrix(matrix, elements, linear.place, linear);
  setElements(message, elements);
}

/** Prunes a network in orders, folds these, and holds the outcome against the network as it was. */
async function folded(
  file: Uint8Array,
  orderOf: (linear: GraphLinear, reach: readonly ReachSpan[]) => Int32Array,
) {
  const { graph } = await describe(file);
  const model = decodeModel(file, 'it');
  const linears = graph.linears.filter(({ cols, inner = cols }) => inner % 4 === 0);
  const view = viewOf(model.graph, {}, 'it');
  const reaches = reachesOf(graph, view, new Set(linears.map(({ name }) => name)));
  const orders = new Map(
    linears.map((linear) => [
      linear.name,
      { permutation: orderOf(linear, reaches.get(linear.name)!), pattern: PATTERN },
    ]),
  );
  for (const linear of linears) prune(model, linear, orders.get(linear.name)!.permutation);
  const before = await run(encodeModel(model));
  const { fates, moved } = foldGraph(graph, view, orders);
  const tensors = tensorsOf(model.graph);
  for (const [tensor, axes] of moved) {
    const { message } = tensors[tensor]!;
    setElements(message, inOrder(elementsIn(message), shapeOf(message), axes));
  }
  const after = await run(encodeModel(model));
  const scale = Math.max(...before.map(Math.abs));
  expect(scale).toBeGreaterThan(0);
  before.forEach((value, i) => {
    expect(Math.abs(after[i]! - value) / scale).toBeLessThan(1e-4);
  });
  for (const linear of linears) {
    const fate = fates.get(linear.name)!.order;
    if (fate !== 'folded' && fate !== 'contiguous') continue;
    const matrix = gatherMatrix(elementsIn(tensors[linear.place.tensor]!.message), linear.place, linear);
    for (let at = 0; at < matrix.length; at += 4) {
      const kept = matrix.slice(at, at + 4).filter((value) => value !== 0).length;
      expect(kept).toBeLessThanOrEqual(2);
    }
  }
  return [...fates].map(([name, fate]) => ({ name, ...fate }));
}

const SEEDS = Array.from({ length: 40 }, (_, seed) => seed);

test('a folded graph computes the same, and what is folded has its groups in a row, whatever the graph and the orders', async () => {
  const counts: Record<string, number> = {};
  for (const seed of SEEDS) {
    const pick = dice(1000 + seed);
    const fates = await folded(randomNetwork(seed, 14), (linear, reach) => {
      const kind = pick(4);
      if (kind === 0) return shuffled(linear.cols, pick);
      // The same at every position, and across all parts.
      const all = [
        {
          starts: Array.from(
            { length: linear.cols / (linear.inner ?? linear.cols) },
            (_, i) => i * (linear.inner ?? 0),
          ),
          length: linear.inner ?? linear.cols,
        },
      ];
      return within(linear, kind === 1 ? all : reach, pick);
    });
    for (const { order, at = '' } of fates) {
      counts[order] = (counts[order] ?? 0) + 1;
      // What stops an order is an end of the graph, another matrix, a convolution in groups, an LSTM, or a part.
      if (order === 'fixed') expect(at).toMatch(/^$|^\w+$|of the graph\)$|\((Conv|LSTM)\)$/);
      if (order === 'parts') expect(at).toMatch(/\((Concat|Split|GroupNormalization|Conv)\)$/);
    }
  }
  // All of it was met.
  for (const order of ['folded', 'contiguous', 'kernel', 'parts', 'fixed']) {
    expect([order, counts[order] ?? 0]).toEqual([order, expect.any(Number)]);
    expect(counts[order] ?? 0).toBeGreaterThan(2);
  }
});

test('orders within what an export reaches are all folded, whatever the graph', async () => {
  let moved = 0;
  for (const seed of SEEDS) {
    const pick = dice(2000 + seed);
    const fates = await folded(randomNetwork(seed, 14), (linear, reach) => within(linear, reach, pick));
    expect(fates.filter(({ order }) => order !== 'folded' && order !== 'contiguous')).toEqual([]);
    moved += fates.filter(({ order }) => order === 'folded').length;
  }
  expect(moved).toBeGreaterThan(20);
});
