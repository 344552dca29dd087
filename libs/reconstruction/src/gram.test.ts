import { createMatrixProducts, type MatrixProducts } from '@esparse/model';
import { gramOf, gramStatistic, type GramState } from './index.ts';

let products: MatrixProducts;
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(() => products.release());

const statistic = gramStatistic(() => Promise.resolve(products));
const CHANNELS = 5;
const ROWS = 7;

/** Sequences of rows, of scales from 1e-3 to 1e3. */
const sequences = Array.from({ length: 6 }, (_, s) =>
  Float32Array.from({ length: ROWS * CHANNELS }, (__, i) => Math.sin(i * i + s) * 10 ** ((s % 7) - 3)),
);

async function add(state: GramState, x: Float32Array, piece = ROWS): Promise<void> {
  for (let row = 0; row < ROWS; row += piece) {
    const rows = Math.min(piece, ROWS - row);
    const data = x.slice(row * CHANNELS, (row + rows) * CHANNELS);
    await statistic.update(state, { data, rows, channels: CHANNELS, endsSequence: row + rows === ROWS });
  }
}

async function seen(order: readonly number[], piece?: number): Promise<GramState> {
  const state = statistic.create(CHANNELS, {});
  for (const s of order) await add(state, sequences[s]!, piece);
  return state;
}

test('it is the sum of the rows’ outer products', async () => {
  const found = gramOf(await seen([0, 1, 2, 3, 4, 5]));
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

test('the bytes do not depend on the order of the sequences, on their tiles, or on how states are merged', async () => {
  const bytes = statistic.serialise(await seen([0, 1, 2, 3, 4, 5]));
  expect(statistic.serialise(await seen([5, 2, 0, 4, 1, 3], 2))).toEqual(bytes);
  const [left, right] = [await seen([3, 1]), await seen([5, 4, 0, 2], 3)];
  await statistic.merge(right, left);
  expect(statistic.serialise(right)).toEqual(bytes);
  await statistic.merge(right, statistic.create(CHANNELS, {}));
  expect(statistic.serialise(right)).toEqual(bytes);
});

test('bytes come back as the state that wrote them, and others are refused', async () => {
  const bytes = statistic.serialise(await seen([0, 1]));
  expect(statistic.serialise(statistic.deserialise(bytes))).toEqual(bytes);
  expect(() => statistic.deserialise(bytes.subarray(0, bytes.length - 8))).toThrow(
    expect.objectContaining({ kind: 'protocol' }),
  );
});

test('a sequence that has not ended is not read', async () => {
  const state = statistic.create(CHANNELS, {});
  await statistic.update(state, { data: new Float32Array(CHANNELS), rows: 1, channels: CHANNELS });
  expect(() => gramOf(state)).toThrow('has not ended');
  expect(() => statistic.serialise(state)).toThrow('has not ended');
});

test('NaN and infinity are refused, and so is a tap too wide to be held', async () => {
  for (const value of [NaN, Infinity]) {
    const data = new Float32Array(CHANNELS).fill(value);
    await expect(
      statistic.update(statistic.create(CHANNELS, {}), {
        data,
        rows: 1,
        channels: CHANNELS,
        endsSequence: true,
      }),
    ).rejects.toMatchObject({ kind: 'numeric' });
  }
  expect(() => statistic.create(2 ** 14 + 1, {})).toThrow(expect.objectContaining({ kind: 'unsupported' }));
});
