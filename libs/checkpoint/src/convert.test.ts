import fc from 'fast-check';
import { widenReference } from '@esparse/kernels';
import { tensorToF32, tensorToHalf } from './convert.ts';
import { sameBits } from './testing/same-bits.ts';

const bytesOf = (values: Float32Array | Uint16Array | Uint32Array) => new Uint8Array(values.buffer);
/** The same bytes at an odd address. */
const misaligned = (bytes: Uint8Array) => {
  const copy = new Uint8Array(bytes.length + 1).subarray(1);
  copy.set(bytes);
  return copy;
};
const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

test.each(['BF16', 'F16'] as const)('every %s value widens exactly, aligned or not', async (dtype) => {
  const expected = widenReference(dtype === 'BF16' ? 'bf16' : 'f16', ALL);
  for (const bytes of [bytesOf(ALL), misaligned(bytesOf(ALL))]) {
    expect(sameBits(await tensorToF32(dtype, bytes), expected)).toBe(true);
  }
});

test('f32 is a view of its bytes where they are aligned, and a copy otherwise', async () => {
  const values = Float32Array.of(1.5, -2, NaN);
  const bytes = bytesOf(values);
  expect((await tensorToF32('F32', bytes)).buffer).toBe(values.buffer);
  expect(await tensorToF32('F32', misaligned(bytes))).toEqual(values);
});

test('16-bit values stay as they are, aligned or not', () => {
  for (const dtype of ['BF16', 'F16'] as const) {
    for (const bytes of [bytesOf(ALL), misaligned(bytesOf(ALL))]) {
      const half = tensorToHalf(dtype, bytes);
      expect(half).toMatchObject({ dtype: dtype.toLowerCase(), rounded: false });
      expect(sameBits(half.bits, ALL)).toBe(true);
    }
  }
});

/** Round to nearest even by definition: of the two bf16 neighbours (as f64) the closer one, or the even one of a tie. */
function nearest(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const low = bits >>> 16;
  const asNumber = (half: number): number => {
    const infinite = (half & 0x7fff) === 0x7f80;
    // For the distance, infinity stands where the next power of two would be.
    return infinite ? Math.sign(value) * 2 ** 128 : widenReference('bf16', Uint16Array.of(half))[0]!;
  };
  const below = Math.abs(value - asNumber(low));
  const above = Math.abs(value - asNumber(low + 1));
  if (below === above) return low % 2 === 0 ? low : low + 1;
  return below < above ? low : low + 1;
}

test('f32 rounds to the nearest bf16, ties to even, infinities and signed zeros kept', () => {
  const special = [0, -0, Infinity, -Infinity, 3.4028234663852886e38, 1.00390625, 1.01171875, 1e-45, -1e-40];
  const values = fc.oneof(fc.float({ noNaN: true }), fc.constantFrom(...special));
  fc.assert(
    fc.property(values, (value) => {
      const { bits } = tensorToHalf('F32', bytesOf(Float32Array.of(value)));
      if (Number.isFinite(value)) expect(bits[0]).toBe(nearest(value));
      else expect(widenReference('bf16', bits)[0]).toBe(value);
    }),
    { seed: 3, numRuns: 2000 },
  );
});

test('every NaN stays NaN, whatever its payload', () => {
  const payloads = Uint32Array.of(0x7f800001, 0xff800001, 0x7fc00000, 0x7fffffff, 0xffffffff, 0x7f80ffff);
  const { bits } = tensorToHalf('F32', bytesOf(payloads));
  expect([...widenReference('bf16', bits)].every(Number.isNaN)).toBe(true);
});

test('f32 that holds bf16 values converts exactly and says so', () => {
  const exact = widenReference('bf16', ALL);
  expect(tensorToHalf('F32', bytesOf(exact)).rounded).toBe(false);
  expect(tensorToHalf('F32', bytesOf(Float32Array.of(1, 0.1))).rounded).toBe(true);
});

test('bytes that are no whole number of values are refused', async () => {
  await expect(tensorToF32('F32', new Uint8Array(6))).rejects.toMatchObject({ kind: 'checkpoint' });
  expect(() => tensorToHalf('BF16', new Uint8Array(3))).toThrow('3 bytes are no whole number of BF16 values');
});
