import { uniform } from '@esparse/laws';
import { spanOf } from '@esparse/kernels';
import {
  identityOrder,
  packQuantized,
  roundLinear,
  SCALE_GROUP,
  survivorsOf,
  unpackQuantized,
} from '@esparse/sparsity';
import { createRounding, roundThrough } from './round-through.ts';

const [ROWS, COLS] = [19, 72];
const random = uniform(7);
const values = Float32Array.from({ length: ROWS * COLS }, () => (random() - 0.5) * 2 ** (4 * random()));
const permutation = identityOrder(COLS).reverse();

/** Of every group of M positions N survive, in each row others. */
function maskOf(keep: number, group: number): Uint8Array {
  const mask = new Uint8Array(ROWS * COLS);
  for (let r = 0; r < ROWS; r++) {
    for (let i = 0; i < COLS; i++) {
      if (((i % group) + r) % group < keep) mask[r * COLS + permutation[i]!] = 1;
    }
  }
  return mask;
}

test.each([
  [2, 4, 4, 32],
  [2, 4, 8, 32],
  [2, 4, 3, 32],
  [4, 8, 4, 16],
  [1, 3, 4, 7],
  [2, 4, 4, 100],
] as const)(
  '%i:%i in %i bits, a scale for %i: what is run is what will be stored',
  async (keep, group, bits, size) => {
    const mask = maskOf(keep, group);
    const shape = { rows: ROWS, cols: COLS };
    const survivors = survivorsOf(mask, { ...shape, permutation, pattern: { keep, group } });
    const integers = roundLinear({ weights: values, ...shape }, { bits, group: size }, survivors);
    const stored = unpackQuantized(await packQuantized(integers, shape, survivors));
    const out = new Float32Array(ROWS * COLS).fill(NaN);
    roundThrough(values, mask, { bits, positions: spanOf(keep, size) * group, permutation }, out);
    // Zeros are equal, whatever their sign.
    expect(out.map((value) => value + 0)).toEqual(stored.map((value) => value + 0));
  },
);

test.each([8, 4, 3] as const)(
  'of %i bits, where nothing is pruned: what is run is what will be stored',
  async (bits) => {
    const shape = { rows: ROWS, cols: COLS };
    const stored = unpackQuantized(
      await packQuantized(roundLinear({ weights: values, ...shape }, { bits }), shape),
    );
    const rounding = { bits, positions: SCALE_GROUP, permutation: identityOrder(COLS) };
    const seen = createRounding(new Map([['dense', { values, rounding }]]))(new Map([['dense', values]]));
    expect(seen.get('dense')!.map((value) => value + 0)).toEqual(stored.map((value) => value + 0));
  },
);

test('parameters that stay floats are passed on as they are', () => {
  const rounding = { bits: 4, positions: 64, permutation } as const;
  const parameters = new Map([
    ['rounded', { values, mask: maskOf(2, 4), rounding }],
    ['norm', { values }],
  ]);
  const seen = createRounding(parameters)(new Map([...parameters].map(([slot]) => [slot, values])));
  expect(seen.get('norm')).toBe(values);
  expect(seen.get('rounded')).not.toEqual(values);
  const none = new Map([['norm', values]]);
  expect(createRounding(new Map([['norm', { values }]]))(none)).toBe(none);
});
