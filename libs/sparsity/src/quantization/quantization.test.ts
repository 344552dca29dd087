import { uniform } from '@esparse/laws';
import { widenReference } from '@esparse/kernels';
import {
  identityOrder,
  integerBlocks,
  keptInQuantized,
  maskLinear,
  packedIndicesOf,
  packLinear,
  packQuantized,
  quantizedShapes,
  roundLinear,
  unpackQuantized,
  type QuantizedLinear,
  type Survivors,
} from '../index.ts';

const ROWS = 21;
const COLS = 120;

const random = uniform(3);
const weights = Float32Array.from({ length: ROWS * COLS }, () => (random() - 0.5) * 2 ** (3 * random()));

async function survivorsOf(keep: number, group: number): Promise<Survivors | undefined> {
  if (group === 1) return undefined;
  const pattern = { keep, group };
  const permutation = identityOrder(COLS).reverse();
  const scores = weights.map(Math.abs);
  return {
    pattern,
    permutation,
    mask: await maskLinear({ scores, rows: ROWS, cols: COLS }, permutation, pattern),
  };
}

const CASES = [
  [2, 4],
  [1, 1],
  [4, 8],
  [1, 3],
  [2, 5],
  [3, 4],
].flatMap(([keep, group]) => ([3, 4, 8] as const).map((bits) => [keep!, group!, bits] as const));

test.each(CASES)(
  '%i:%i in %i bits comes back as integers times scales, and nothing else',
  async (keep, group, bits) => {
    const survivors = await survivorsOf(keep, group);
    const rounded = roundLinear({ weights, rows: ROWS, cols: COLS }, { bits, group: 12 }, survivors);
    const packed = await packQuantized(rounded, { rows: ROWS, cols: COLS }, survivors);
    const dense = unpackQuantized(packed);
    const kept = keptInQuantized(packed);
    const scales = widenReference('bf16', rounded.scales);
    const spans = rounded.scales.length / ROWS;
    for (let r = 0; r < ROWS; r++) {
      for (let i = 0; i < COLS; i++) {
        const channel = survivors?.permutation[i] ?? i;
        const at = r * COLS + channel;
        const scale = scales[r * spans + Math.floor(i / (rounded.span * group))]!;
        const expected = kept?.[at] === 0 ? 0 : rounded.integers[at]! * scale;
        // Zeros are equal, whatever their sign.
        expect({ r, i, weight: dense[at]! + 0 }).toEqual({ r, i, weight: expected + 0 });
      }
    }
    const survived = kept?.reduce((sum, one) => sum + one, 0) ?? ROWS * COLS;
    expect(survived).toBe((ROWS * COLS * keep) / group);
  },
);

test.each([
  [3, 0.16],
  [4, 0.08],
  [8, 0.004],
] as const)('%i bits lose little: no weight more than %d of the largest of its span', (bits, most) => {
  const { integers, scales, span } = roundLinear({ weights, rows: ROWS, cols: COLS }, { bits });
  const widths = widenReference('bf16', scales);
  const spans = Math.ceil(COLS / span);
  for (let r = 0; r < ROWS; r++) {
    for (let s = 0; s < spans; s++) {
      const part = weights.subarray(r * COLS + s * span, r * COLS + Math.min(COLS, (s + 1) * span));
      const largest = Math.max(...part.map(Math.abs));
      const lost = part.map(
        (weight, i) => weight - integers[r * COLS + s * span + i]! * widths[r * spans + s]!,
      );
      // Scales of few bits may clip the largest, for the sake of the others.
      const sorted = lost.map(Math.abs).sort();
      expect(sorted[part.length - 4]! / largest).toBeLessThan(most);
    }
  }
});

test('zeros stay zeros, and have a scale that a reader takes', async () => {
  for (const bits of [3, 4, 8] as const) {
    const zeros = new Float32Array(ROWS * COLS);
    const packed = await packQuantized(roundLinear({ weights: zeros, rows: ROWS, cols: COLS }, { bits }), {
      rows: ROWS,
      cols: COLS,
    });
    expect(unpackQuantized(packed)).toEqual(zeros);
  }
});

test('a weight that is not finite is refused by its place', () => {
  const broken = weights.with(COLS + 7, Infinity);
  expect(() => roundLinear({ weights: broken, rows: ROWS, cols: COLS }, { bits: 8 })).toThrow(
    expect.objectContaining({ kind: 'numeric', message: expect.stringContaining('row 1, channel 7') }),
  );
});

describe('what a store may hold is refused:', () => {
  const good = async () => {
    const survivors = await survivorsOf(2, 4);
    return packQuantized(
      roundLinear({ weights, rows: ROWS, cols: COLS }, { bits: 4 }, survivors),
      { rows: ROWS, cols: COLS },
      survivors,
    );
  };
  const refused = async (change: (linear: QuantizedLinear) => Partial<QuantizedLinear>, message: string) => {
    const linear = await good();
    expect(() => unpackQuantized({ ...linear, ...change(linear) })).toThrow(
      expect.objectContaining({ kind: 'store', message: expect.stringContaining(message) }),
    );
  };

  test('arrays of other sizes', async () => {
    await refused(({ values }) => ({ values: values.subarray(1) }), 'values has');
    await refused(({ scales }) => ({ scales: scales.subarray(1) }), 'scales has');
    await refused(() => ({ indices: undefined }), 'indices has');
  });

  test('a span that no linear has', () => refused(() => ({ span: 0 }), 'a scale for every 0 groups'));

  test('a scale that is zero or not finite', async () => {
    await refused(({ scales }) => ({ scales: scales.with(17, 0) }), 'row 1, span 1 is zero');
    await refused(({ scales }) => ({ scales: scales.with(2, 0x7f80) }), 'row 2, span 0');
    const linear = await good();
    expect(() => integerBlocks({ ...linear, scales: linear.scales.with(17, 0x8000) })).toThrow(
      'row 1, span 1 is zero',
    );
  });

  test('indices that are no choice, and an order that is none', async () => {
    // The first group of row 1: twice the same position.
    const twice = (indices: Uint8Array) => indices.with(4, 0xff).with(5, 0xff);
    await refused(({ indices }) => ({ indices: twice(indices!) }), 'damaged');
    await refused(({ permutation }) => ({ permutation: permutation!.with(0, 5) }), 'permutation');
  });
});

test.each([
  [2, 4],
  [4, 8],
  [1, 3],
] as const)('%i:%i: where survivors stand can be had in the form of packed ones', async (keep, group) => {
  const survivors = (await survivorsOf(keep, group))!;
  const shape = { rows: ROWS, cols: COLS };
  const packed = await packQuantized(
    roundLinear({ weights, ...shape }, { bits: 4 }, survivors),
    shape,
    survivors,
  );
  const dense = new Uint16Array(ROWS * COLS).fill(0x3f80);
  const { permutation, mask, pattern } = survivors;
  const plain = await packLinear({ dtype: 'bf16', weights: dense, ...shape }, permutation, mask, pattern);
  const { bits, span } = packed;
  const indices = packedIndicesOf({ ...shape, keep, group, bits, span }, packed.indices!);
  // Beyond the last row a packed linear names places, too.
  const whole = Math.floor(ROWS / 16) * (plain.indices.length / Math.ceil(ROWS / 16));
  expect(indices.subarray(0, whole)).toEqual(plain.indices.subarray(0, whole));
  expect(indices.length).toBe(plain.indices.length);
});

test('a matrix that is no multiple of anything is filled up with zeros that nobody reads', async () => {
  const packed = await packQuantized(roundLinear({ weights, rows: ROWS, cols: COLS }, { bits: 4 }), {
    rows: ROWS,
    cols: COLS,
  });
  // 120 survivors of a row become 128, and 21 rows 32.
  expect(packed.values.length).toBe((32 * 128) / 2);
  const zeros = packed.values.filter((byte) => byte === 0).length;
  expect(zeros).toBeGreaterThanOrEqual((11 * 128 + 21 * 8) / 2);
});

test('2:4 with a scale for 32 comes to 2.75 bits a weight in 3 bits, 3.25 in 4, and 5.25 in 8', () => {
  for (const [bits, expected] of [
    [3, 2.75],
    [4, 3.25],
    [8, 5.25],
  ] as const) {
    const shape = { rows: 64, cols: 512, pattern: { keep: 2, group: 4 }, bits, span: 16 };
    const { values, scales, indices } = quantizedShapes(shape);
    const count = (size: readonly number[] = []) => size.reduce((product, side) => product * side, 1);
    const bytes = count(values) + 2 * count(scales) + count(indices);
    expect((8 * bytes) / (64 * 512)).toBe(expected);
  }
});
