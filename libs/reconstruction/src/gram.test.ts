import { statisticLaws } from '@esparse/laws';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { gramStatistic } from './gram.ts';
import { PANEL } from './panels.ts';
import type { ProductState } from './product-sums.ts';
import { createSpill, type Spill } from './spill.ts';

let products: MatrixProducts;
const spills: Spill[] = [];
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(async () => {
  await products.release();
  for (const spill of spills) await spill.close();
});

const CHANNELS = 5;
const ROWS = 7;

function statisticOf(memory: number) {
  const spill = createSpill({ memory });
  spills.push(spill);
  return {
    spill,
    statistic: gramStatistic({ products: () => Promise.resolve(products), spill, waiting: { bytes: 0 } }),
  };
}
const { statistic } = statisticOf(2 ** 30);

/** Sequences of rows, of scales from 1e-3 to 1e3. */
const sequencesOf = (count: number, channels: number) =>
  Array.from({ length: count }, (_, s) =>
    Float32Array.from({ length: ROWS * channels }, (__, i) => Math.sin(i * i + s) * 10 ** ((s % 7) - 3)),
  );
const sequences = sequencesOf(6, CHANNELS);

async function add(state: ProductState, x: Float32Array, piece = ROWS, of = statistic): Promise<void> {
  const { channels } = state;
  for (let row = 0; row < ROWS; row += piece) {
    const rows = Math.min(piece, ROWS - row);
    const data = x.slice(row * channels, (row + rows) * channels);
    await of.update(state, { data, rows, channels, endsSequence: row + rows === ROWS });
  }
}

async function seen(order: readonly number[], piece?: number): Promise<ProductState> {
  const state = statistic.create(CHANNELS, {});
  for (const s of order) await add(state, sequences[s]!, piece);
  return state;
}

/** Millions of elements: for Jest to describe how two arrays differ would take seconds. */
const sameBits = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

const matrixOf = async (state: ProductState, of = statistic) => (await of.finish(state)).dense();

test('it is the sum of the rows’ outer products', async () => {
  const found = await matrixOf(await seen([0, 1, 2, 3, 4, 5]));
  for (let i = 0; i < CHANNELS; i++) {
    for (let j = 0; j < CHANNELS; j++) {
      let [expected, size] = [0, 0];
      for (const x of sequences) {
        for (let row = 0; row < ROWS; row++) {
          const product = x[row * CHANNELS + i]! * x[row * CHANNELS + j]!;
          expected += product;
          size += Math.abs(product);
        }
      }
      expect(Math.abs(found[i * CHANNELS + j]! - expected)).toBeLessThan(1e-6 * size);
    }
  }
});

test('the bits do not depend on the order of the sequences, on their tiles, or on how states are merged', async () => {
  await statisticLaws(statistic, { unit: 'sequence', read: (state) => matrixOf(state), runs: 30 });
});

test('a merged state has counted what both have seen', async () => {
  const [left, right] = [await seen([3, 1]), await seen([5, 4, 0, 2], 3)];
  await statistic.merge(right, left);
  await statistic.merge(right, statistic.create(CHANNELS, {}));
  expect(right).toMatchObject({ sequences: 6, tokens: 6 * ROWS });
  expect(await matrixOf(right)).toEqual(await matrixOf(await seen([0, 1, 2, 3, 4, 5])));
});

/** A panel and a bit: a tile of every kind. */
const WIDE = PANEL + 24;
const wide = sequencesOf(9, WIDE);

/** The Hessian of sequences that were cut into parts and merged. */
async function wideHessian(memory: number, parts: readonly (readonly number[])[]) {
  const { spill, statistic: of } = statisticOf(memory);
  const merged = of.create(WIDE, {});
  for (const part of parts) {
    const state = of.create(WIDE, {});
    for (const s of part) await add(state, wide[s]!, ROWS, of);
    await of.merge(merged, state);
  }
  return { spill, hessian: await of.finish(merged) };
}

test('a wide tap has the same bits in memory, in a file, and half in each, and gives all its room back', async () => {
  const inMemory = await wideHessian(2 ** 30, [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
  const expected = await inMemory.hessian.dense();
  expect(inMemory.spill.used().file).toBe(0);
  const rows = 3;
  const a = Float32Array.from({ length: rows * WIDE }, (_, i) => Math.cos(i));
  const image = new Float32Array(rows * WIDE);
  await inMemory.hessian.multiply(a, rows, image);
  for (const memory of [0, 18 * 2 ** 20]) {
    const { spill, hessian } = await wideHessian(memory, [[8, 1], [2, 7, 4], [], [0, 6, 3, 5]]);
    expect(spill.used().file).toBeGreaterThan(0);
    expect(spill.used().memory).toBeLessThanOrEqual(memory);
    expect(sameBits(await hessian.dense(), expected)).toBe(true);
    const again = new Float32Array(rows * WIDE);
    await hessian.multiply(a, rows, again);
    expect(sameBits(again, image)).toBe(true);
    expect(hessian.diagonal).toEqual(inMemory.hessian.diagonal);
    const which = Int32Array.of(WIDE - 1, 0, PANEL);
    const some = await hessian.rows(which);
    which.forEach((row, i) => {
      const of = (matrix: Float32Array, at: number) => matrix.subarray(at * WIDE, (at + 1) * WIDE);
      expect(sameBits(of(some, i), of(expected, row))).toBe(true);
    });
    hessian.release();
    expect(spill.used()).toEqual({ memory: 0, file: 0 });
  }
  // What the products say, entry by entry.
  for (const [i, j] of [
    [0, WIDE - 1],
    [WIDE - 1, 0],
    [PANEL, PANEL - 1],
    [3, 3],
  ] as const) {
    let sum = 0;
    for (const x of wide) for (let row = 0; row < ROWS; row++) sum += x[row * WIDE + i]! * x[row * WIDE + j]!;
    expect(Math.abs(expected[i * WIDE + j]! - sum)).toBeLessThan(1e-5 * Math.abs(expected[3 * WIDE + 3]!));
  }
  let product = 0;
  for (let k = 0; k < WIDE; k++) product += a[WIDE + k]! * expected[k * WIDE + PANEL]!;
  expect(image[WIDE + PANEL]! / product).toBeCloseTo(1, 3);
});

test('sums that were begun in two states are merged, too', async () => {
  const { statistic: of, spill } = statisticOf(2 ** 24);
  const begun = async (part: readonly number[]) => {
    const state = of.create(WIDE, {});
    for (const s of part) await add(state, wide[s]!, ROWS, of);
    // A reading would end the state: have it summed as more sequences would.
    await of.settle(state);
    return state;
  };
  const [left, right] = [await begun([0, 1, 2, 3]), await begun([4, 5, 6, 7, 8])];
  await of.merge(left, right);
  const { hessian } = await wideHessian(2 ** 30, [[0, 1, 2, 3, 4, 5, 6, 7, 8]]);
  const found = await of.finish(left);
  expect(sameBits(await found.dense(), await hessian.dense())).toBe(true);
  found.release();
  expect(spill.used()).toEqual({ memory: 0, file: 0 });
});

test('a state that is disposed of releases its room and the sequences that wait', async () => {
  const { statistic: of, spill } = statisticOf(2 ** 24);
  const state = of.create(WIDE, {});
  await add(state, wide[0]!, ROWS, of);
  await of.settle(state);
  await add(state, wide[1]!, ROWS, of);
  expect(spill.used().memory).toBeGreaterThan(0);
  of.dispose!(state);
  expect(state.waiting).toEqual([]);
  expect(spill.used()).toEqual({ memory: 0, file: 0 });
});

test('a sequence that has not ended is not read', async () => {
  const state = statistic.create(CHANNELS, {});
  await statistic.update(state, { data: new Float32Array(CHANNELS), rows: 1, channels: CHANNELS });
  await expect(statistic.finish(state)).rejects.toThrow('has not ended');
});

test('NaN, infinity and what no sum can hold are refused by channel, and the state is as it was', async () => {
  for (const value of [NaN, Infinity, 2 ** 21]) {
    const state = await seen([0]);
    const data = new Float32Array(CHANNELS);
    data[3] = value;
    const tile = { data, rows: 1, channels: CHANNELS, endsSequence: true };
    await expect(statistic.update(state, tile)).rejects.toMatchObject({
      kind: 'numeric',
      context: { channel: 3 },
    });
    expect(state).toMatchObject({ tokens: ROWS, sequences: 1 });
    expect(await matrixOf(state)).toEqual(await matrixOf(await seen([0])));
  }
});

test('sums that were made here are not sent between processes; of those of a device the head is', async () => {
  const state = await seen([0]);
  expect(() => statistic.serialise(state)).toThrow(expect.objectContaining({ kind: 'unsupported' }));
  const folded = { ...statistic.create(8, {}), tokens: 12, sequences: 3, sumsDue: true };
  expect(statistic.deserialise(statistic.serialise(folded), 8)).toMatchObject({
    ...{ channels: 8, tokens: 12, sequences: 3, sumsDue: true },
  });
  const bytes = statistic.serialise({ ...folded, tokens: 2 });
  expect(() => statistic.deserialise(bytes, 8)).toThrow(expect.objectContaining({ kind: 'protocol' }));
});
