import { widenReference } from '@esparse/kernels';
import fc from 'fast-check';
import {
  maskLinear,
  packedShapes,
  packLinear,
  unpackLinear,
  unpackToF32,
  type PackedLinear,
  type Pattern,
} from './index.ts';

/** Every pattern there is. */
const PATTERNS: Pattern[] = Array.from({ length: 17 }, (_, group) =>
  Array.from({ length: Math.max(0, group - 1) }, (_, i) => ({ keep: i + 1, group })),
).flat();

/** A linear of any bits at all (NaN and zeros of both signs too), a random order and random scores. */
function linearOf(pattern: Pattern) {
  return fc
    .record({ rows: fc.integer({ min: 1, max: 35 }), groups: fc.integer({ min: 1, max: 5 }) })
    .chain(({ rows, groups }) => {
      const cols = groups * pattern.group;
      const size = { minLength: rows * cols, maxLength: rows * cols };
      return fc.record({
        rows: fc.constant(rows),
        cols: fc.constant(cols),
        dtype: fc.constantFrom('bf16' as const, 'f16' as const),
        weights: fc
          .uint16Array(size)
          .map((bits) => bits.map((value, i) => (i % 5 === 0 ? value & 0x8000 : value))),
        scores: fc.uint8Array(size).map((values) => Float32Array.from(values)),
        permutation: fc
          .shuffledSubarray([...Array(cols).keys()], { minLength: cols })
          .map((channels) => Int32Array.from(channels)),
      });
    });
}

test('unpacking a packed linear gives the masked weights bit for bit, for every pattern', async () => {
  for (const pattern of PATTERNS) {
    await fc.assert(
      fc.asyncProperty(linearOf(pattern), async (linear) => {
        const { rows, cols, weights, permutation, dtype } = linear;
        const mask = await maskLinear(linear, permutation, pattern);
        const masked = new Uint16Array(rows * cols);
        for (let r = 0; r < rows; r++) {
          for (let i = 0; i < cols; i++) {
            const kept = (mask[r * Math.ceil(cols / 8) + (i >> 3)]! >> (i & 7)) & 1;
            if (kept === 1) masked[r * cols + permutation[i]!] = weights[r * cols + permutation[i]!]!;
          }
        }
        const packed = await packLinear(linear, permutation, mask, pattern);
        expect(await unpackLinear(packed)).toEqual(masked);
        const widened = await unpackToF32(packed);
        expect(new Uint32Array(widened.buffer)).toEqual(
          new Uint32Array(widenReference(dtype, masked).buffer),
        );
        const shapes = packedShapes(pattern, rows, cols);
        expect(packed).toMatchObject({ encoding: shapes.encoding, tileRows: 16 });
        expect(packed.values).toHaveLength(shapes.values.reduce((a, b) => a * b));
        expect(packed.indices).toHaveLength(shapes.indices.reduce((a, b) => a * b));
      }),
      { numRuns: 3, seed: 2310 },
    );
  }
});

test('2:4 takes 56.25 % of the dense bytes; 4:8 stores masks', () => {
  const bytes = ({ values, indices }: ReturnType<typeof packedShapes>) =>
    2 * values.reduce((a, b) => a * b) + indices.reduce((a, b) => a * b);
  expect(bytes(packedShapes({ keep: 2, group: 4 }, 4096, 11008))).toBe(0.5625 * 2 * 4096 * 11008);
  expect(packedShapes({ keep: 2, group: 4 }, 17, 8)).toEqual({
    encoding: 'index-v1',
    tileRows: 16,
    values: [2, 2, 32],
    indices: [2, 2, 8],
    permutation: [8],
  });
  expect(packedShapes({ keep: 4, group: 8 }, 16, 8)).toMatchObject({
    encoding: 'mask-v1',
    indices: [1, 1, 16],
  });
});

/** Three rows of 2:4, the second of which keeps positions 1 and 3. */
async function threeRows(): Promise<PackedLinear> {
  const linear = { dtype: 'bf16' as const, rows: 3, cols: 4, weights: new Uint16Array(12).fill(0x3f80) };
  const mask = Uint8Array.of(0b0011, 0b1010, 0b1100);
  return packLinear(linear, Int32Array.of(0, 1, 2, 3), mask, { keep: 2, group: 4 });
}

test('a packed linear that contradicts itself is refused before it is read', async () => {
  const good = await threeRows();
  const wrong: [Partial<PackedLinear>, string][] = [
    [{ values: good.values.subarray(1) }, 'store'],
    [{ indices: new Uint8Array(9) }, 'store'],
    [{ permutation: Int32Array.of(0, 1, 2, 2) }, 'store'],
    [{ permutation: Int32Array.of(0, 1, 2, 2 ** 30) }, 'store'],
    [{ permutation: Int32Array.of(0, 1, 2, -1) }, 'store'],
    [{ rows: 17 }, 'store'],
    [{ rows: 2 ** 40 }, 'store'],
    [{ rows: NaN }, 'store'],
    [{ pattern: { keep: 4, group: 4 } }, 'store'],
    [{ pattern: { keep: 2, group: 64 } }, 'store'],
    [{ cols: 6 }, 'unsupported'],
    [{ encoding: 'mask-v1' }, 'unsupported'],
    [{ encoding: 'index-v9' as 'index-v1' }, 'unsupported'],
    [{ tileRows: 8 as 16 }, 'unsupported'],
    [{ dtype: 'f32' as 'f16' }, 'unsupported'],
  ];
  for (const [change, kind] of wrong) {
    await expect(unpackLinear({ ...good, ...change })).rejects.toMatchObject({ kind });
    await expect(unpackToF32({ ...good, ...change })).rejects.toMatchObject({ kind });
  }
});

test('indices that repeat a position or descend are refused with their tile and group', async () => {
  const good = await threeRows();
  // Row 1 keeps 1 (bits 2 and 3 of slot 0) and 3 (of slot 1, at byte 4).
  const repeated = good.indices.with(0, good.indices[0]! | 0b1100);
  const descending = good.indices.with(4, good.indices[4]! & ~0b1100);
  for (const indices of [repeated, descending]) {
    const refusal = { kind: 'store', context: { tile: 0, group: 0 } };
    await expect(unpackLinear({ ...good, indices })).rejects.toMatchObject(refusal);
    await expect(unpackToF32({ ...good, indices })).rejects.toMatchObject(refusal);
  }
});
