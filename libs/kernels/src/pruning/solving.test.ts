import { EXACT_SUM_PART } from './exact-sums.ts';
import {
  areWhole,
  magnitudes,
  spreadMask,
  spreadMaskReference,
  sumsToMatrix,
  sumsToMatrixReference,
} from './solving.ts';

const [ROWS, COLS] = [37, 45];

test('a mask is spread to the places that its channels have', async () => {
  const permutation = Int32Array.from({ length: COLS }, (_, i) => (i * 7) % COLS);
  const mask = Uint8Array.from({ length: ROWS * Math.ceil(COLS / 8) }, (_, i) => (i * 151) & 255);
  const spread = await spreadMask(mask, ROWS, COLS, permutation);
  expect(spread).toEqual(spreadMaskReference(mask, ROWS, COLS, permutation));
  expect(spread[permutation[9]!]).toBe((mask[1]! >> 1) & 1);
  await expect(spreadMask(mask, ROWS, COLS, permutation.with(3, COLS))).rejects.toThrow('permutation');
});

test('magnitudes are those of the numbers', async () => {
  const values = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 10 ** ((i % 70) - 35));
  values.set([-0, -Infinity, NaN, Infinity]);
  expect(await magnitudes(values)).toEqual(values.map(Math.abs));
});

test.each([0, -0, 1, -17, 2 ** 52 - 1, 2 ** 52 + 1, -(2 ** 53 - 1)])(
  '%d is a whole number',
  async (value) => {
    const values = new Float64Array(300_001);
    values[300_000] = value;
    expect(await areWhole(values)).toBe(true);
  },
);

test.each([0.5, -0.25, 2 ** 52 - 0.5, 1e-300, 2 ** 53, -(2 ** 60), NaN, Infinity, -Infinity])(
  '%d is none, or too large to tell',
  async (value) => {
    const values = new Float64Array(300_001);
    values[299_999] = value;
    expect(await areWhole(values)).toBe(false);
    expect(Number.isSafeInteger(value)).toBe(false);
  },
);

test.each([false, true])('sums of two digits are rounded to f32, transposed: %s', async (transposed) => {
  const sums = Float64Array.from({ length: 2 * ROWS * COLS }, (_, i) => Math.round(1e15 * Math.sin(i * i)));
  const [found, expected] = [new Float32Array(ROWS * COLS), new Float32Array(ROWS * COLS)];
  const tile = { sums, rows: ROWS, cols: COLS };
  await sumsToMatrix(tile, transposed, found);
  sumsToMatrixReference(tile, transposed, expected);
  expect(found).toEqual(expected);
  const at = 3 * COLS + 5;
  const value = Math.fround(sums[at]! + sums[ROWS * COLS + at]! * EXACT_SUM_PART);
  expect(found[transposed ? 5 * ROWS + 3 : at]).toBe(value);
});
