import fc from 'fast-check';
import { areAmong, areAmongReference, findInfinite, findInfiniteReference } from './sound.ts';

/** Of few, which are looked at at once, and of more than a chunk. */
const lengths = fc.constantFrom(1, 100, 5000, 600_001);

test('the first number that is none, or infinite, is found as by the readable version', () =>
  fc.assert(
    fc.asyncProperty(
      fc.constantFrom('bf16' as const, 'f16' as const),
      lengths,
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 0xffff })), { maxLength: 4 }),
      async (dtype, length, placed) => {
        const halves = Uint16Array.from({ length }, (_, i) => (i * 7919) & 0x3bff);
        for (const [at, bits] of placed) halves[at % length] = bits;
        expect(await findInfinite(dtype, halves)).toBe(findInfiniteReference(dtype, halves));
      },
    ),
    { numRuns: 40, seed: 3 },
  ));

test('a byte that is not among those allowed is seen wherever it is', () =>
  fc.assert(
    fc.asyncProperty(lengths, fc.option(fc.nat()), async (length, wrong) => {
      const table = Uint8Array.from({ length: 256 }, (_, byte) => (byte % 3 === 0 ? 1 : 0));
      const bytes = Uint8Array.from({ length }, (_, i) => 3 * (i % 80));
      if (wrong !== null) bytes[wrong % length]! += 1;
      expect(await areAmong(bytes, table)).toBe(wrong === null);
      expect(areAmongReference(bytes, table)).toBe(wrong === null);
    }),
    { numRuns: 40, seed: 3 },
  ));
