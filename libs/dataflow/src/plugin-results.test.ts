import type { MaskedLinear } from './linear.ts';
import { checkStage } from './plugin-results.ts';

/** A mask that keeps the first of each group, of rows that end within a byte where the group says so. */
function maskOf(rows: number, cols: number, keep: number, group: number): Uint8Array {
  const mask = new Uint8Array(rows * Math.ceil(cols / 8));
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      if (i % group < keep) mask[r * Math.ceil(cols / 8) + (i >> 3)]! |= 1 << (i & 7);
    }
  }
  return mask;
}

test.each([
  [2, 4, 40],
  [1, 2, 30],
  [4, 8, 24],
  [2, 4, 36],
  [3, 12, 48],
  [1, 5, 35],
])(
  'a mask of %i:%i and %i inputs is taken, and one with a weight more or less anywhere is not',
  (keep, group, cols) => {
    const rows = 3;
    const linear = { rows, cols, pattern: { keep, group } } as MaskedLinear;
    const mask = maskOf(rows, cols, keep, group);
    expect(checkStage(linear, { mask })).toEqual({ mask });
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < cols; i++) {
        const wrong = mask.slice();
        wrong[r * Math.ceil(cols / 8) + (i >> 3)]! ^= 1 << (i & 7);
        const first = i - (i % group);
        const where = `row ${r} keeps ${i % group < keep ? keep - 1 : keep + 1} of the positions ${first} to`;
        expect(() => checkStage(linear, { mask: wrong })).toThrow(where);
      }
    }
  },
);

test('weights that are not finite are named by row and channel', () => {
  const linear = { rows: 2, cols: 3, dtype: 'bf16' } as MaskedLinear;
  const weights = new Uint16Array(6).fill(0x3f80);
  expect(checkStage(linear, { weights })).toEqual({ weights });
  for (const bits of [0x7f80, 0xff80, 0x7fc0]) {
    expect(() => checkStage(linear, { weights: weights.with(4, bits) })).toThrow('row 1, channel 1');
  }
});
