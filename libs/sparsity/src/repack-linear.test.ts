import fc from 'fast-check';
import { keptIn, maskLinear, packLinear, repackLinear, unpackLinear } from './index.ts';

const linears = fc
  .record({
    rows: fc.integer({ min: 1, max: 20 }),
    groups: fc.integer({ min: 1, max: 4 }),
    pattern: fc.constantFrom({ keep: 2, group: 4 }, { keep: 4, group: 8 }, { keep: 1, group: 3 }),
  })
  .chain(({ rows, groups, pattern }) => {
    const cols = groups * pattern.group;
    const size = { minLength: rows * cols, maxLength: rows * cols };
    return fc.record({
      ...{ rows: fc.constant(rows), cols: fc.constant(cols), pattern: fc.constant(pattern) },
      weights: fc.uint16Array(size),
      others: fc.uint16Array(size),
      scores: fc.uint8Array(size).map((values) => Float32Array.from(values)),
      permutation: fc
        .shuffledSubarray([...Array(cols).keys()], { minLength: cols })
        .map((channels) => Int32Array.from(channels)),
    });
  });

type Linear = typeof linears extends fc.Arbitrary<infer Drawn> ? Drawn : never;

async function packed({ weights, scores, rows, cols, pattern, permutation }: Linear) {
  const mask = await maskLinear({ scores, rows, cols }, permutation, pattern);
  return packLinear({ dtype: 'bf16', weights, rows, cols }, permutation, mask, pattern);
}

test('other weights of the survivors are packed under the same mask, and come back bit for bit', async () => {
  await fc.assert(
    fc.asyncProperty(linears, async (linear) => {
      const before = await packed(linear);
      const kept = await keptIn(before);
      const others = linear.others.map((bits, i) => (kept[i] === 1 ? bits : 0));
      const after = await repackLinear(before, others);
      expect(await unpackLinear(after)).toEqual(others);
      expect(after.indices).toEqual(before.indices);
      expect(await repackLinear(before, await unpackLinear(before))).toEqual(before);
    }),
  );
});

test('a weight outside the mask is refused with its place, and a zero of either sign is none', async () => {
  const linear = {
    ...{ rows: 1, cols: 4, pattern: { keep: 2, group: 4 } as const, permutation: Int32Array.of(3, 2, 1, 0) },
    ...{
      weights: Uint16Array.of(1, 2, 3, 4),
      others: new Uint16Array(4),
      scores: Float32Array.of(1, 0, 2, 0),
    },
  };
  const before = await packed(linear);
  await expect(repackLinear(before, Uint16Array.of(1, 5, 3, 0))).rejects.toMatchObject({
    kind: 'usage',
    message: 'the weight of row 0, channel 1 is pruned, and not 0',
  });
  expect(await unpackLinear(await repackLinear(before, Uint16Array.of(1, 0x8000, 3, 0)))).toEqual(
    Uint16Array.of(1, 0, 3, 0),
  );
});
