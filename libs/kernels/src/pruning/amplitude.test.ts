import fc from 'fast-check';
import { addon } from '../addon.ts';
import { amplitudeMerge, amplitudeUpdate, amplitudeUpdateReference } from './amplitude.ts';

const SEED = 1;
/** Any finite f32 whose square the state can hold, zeros, subnormals and near-ties included. */
const value = fc.oneof(
  fc.float({ noNaN: true, min: Math.fround(-(2 ** 22)), max: Math.fround(2 ** 22) }),
  fc.float({ noNaN: true, min: -8, max: 8 }),
  fc.constantFrom(0, -0, 1.5, 2 ** -16, Math.fround(2 ** -16.5), 2 ** -33, 1e-40, 2 ** 25),
);
const tileOf = (rows: number, channels: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(value, { minLength: rows * channels, maxLength: rows * channels })
    .map((values) => Float32Array.from(values));

test('the native addon is the one under test', () => {
  expect(addon()).not.toBeNull();
});

test('the native kernel gives the same bits as the reference, for any shape', async () => {
  const shapes = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 300 }))
    .chain(([rows, channels]) => tileOf(rows, channels).map((tile) => ({ rows, channels, tile })));
  await fc.assert(
    fc.asyncProperty(shapes, async ({ rows, channels, tile }) => {
      const native = new Float64Array(3 * channels);
      const reference = new Float64Array(3 * channels);
      expect(await amplitudeUpdate(native, tile, rows, channels)).toBe(-1);
      expect(amplitudeUpdateReference(reference, tile, rows, channels)).toBe(-1);
      expect(native).toEqual(reference);
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test('the sum is exact to 2^-65 for each value, against whole-number arithmetic', () => {
  fc.assert(
    fc.property(tileOf(20, 1), (tile) => {
      const state = new Float64Array(3);
      amplitudeUpdateReference(state, tile, 20, 1);
      let expected = 0n;
      for (const x of tile) expected += squareIn2To298(x);
      const got =
        (inUnits(state[0]!) << 64n) + (inUnits(state[1]! * 2 ** 32) << 32n) + inUnits(state[2]! * 2 ** 64);
      const error = (got << 234n) - expected;
      expect((error < 0n ? -error : error) <= 20n << 233n).toBe(true);
    }),
    { seed: SEED },
  );
});

test('carried digits are canonical: the small ones within their unit', () => {
  fc.assert(
    fc.property(tileOf(50, 2), (tile) => {
      const state = new Float64Array(6);
      amplitudeUpdateReference(state, tile, 50, 2);
      for (const c of [0, 1]) {
        expect(Number.isInteger(state[c])).toBe(true);
        expect(state[2 + c]! >= 0 && state[2 + c]! < 1).toBe(true);
        expect(state[4 + c]! >= 0 && state[4 + c]! < 2 ** -32).toBe(true);
      }
    }),
    { seed: SEED },
  );
});

test.each([NaN, Infinity, -Infinity, 2 ** 27, 3e38])(
  '%p is refused with its channel, and the state stays as it was',
  async (bad) => {
    const tile = new Float32Array(6 * 200).fill(1.25);
    tile[3 * 200 + 150] = bad;
    tile[4 * 200 + 171] = bad;
    const state = new Float64Array(600).fill(0.5);
    const before = state.slice();
    expect(await amplitudeUpdate(state, tile, 6, 200)).toBe(150);
    expect(amplitudeUpdateReference(state, tile, 6, 200)).toBe(150);
    expect(state).toEqual(before);
  },
);

test('a sum that would no longer be exact is refused', () => {
  const state = Float64Array.of(2 ** 53 - 1, 0, 0);
  expect(amplitudeMerge(state, Float64Array.of(1, 0, 0))).toBe(0);
  expect(amplitudeMerge(state, Float64Array.of(0, 0.5, 0))).toBe(-1);
  expect(state).toEqual(Float64Array.of(2 ** 53 - 1, 0.5, 0));
});

test('more rows than the digits allow are a defect of the caller', async () => {
  await expect(amplitudeUpdate(new Float64Array(3), new Float32Array(), 2 ** 20 + 1, 1)).rejects.toThrow(
    RangeError,
  );
});

/** x² in units of 2^-298: every f32 is a whole multiple of 2^-149. */
function squareIn2To298(x: number): bigint {
  const whole = Math.abs(x) >= 1 ? BigInt(x * 2 ** 23) << 126n : BigInt(x * 2 ** 149);
  return whole * whole;
}

function inUnits(x: number): bigint {
  return BigInt(x);
}
