import fc from 'fast-check';
import type { InputHeads } from '@esparse/sparsity';
import { throughAttention, withinHeads } from './within-heads.ts';

const PATTERN = { keep: 2, group: 4 };

/** Sizes of an attention, and an order of the channels of each value head. */
const attentions = fc
  .record({
    kvHeads: fc.integer({ min: 1, max: 3 }),
    shared: fc.integer({ min: 1, max: 3 }),
    groups: fc.integer({ min: 1, max: 4 }),
  })
  .chain(({ kvHeads, shared, groups }) => {
    const headDim = groups * PATTERN.group;
    const channels = [...Array(headDim).keys()];
    return fc.record({
      heads: fc.constant<InputHeads>({ heads: kvHeads * shared, kvHeads, headDim }),
      orders: fc.array(fc.shuffledSubarray(channels, { minLength: headDim }), {
        minLength: kvHeads,
        maxLength: kvHeads,
      }),
    });
  });

/** The groups of an order, as sets. */
function groupsOf(order: Int32Array): string[] {
  const groups: string[] = [];
  for (let first = 0; first < order.length; first += PATTERN.group) {
    groups.push([...order.slice(first, first + PATTERN.group)].sort((a, b) => a - b).join(' '));
  }
  return groups.sort();
}

test('an order within heads is found again whatever the order of heads, groups and channels: the groups are the same', () => {
  fc.assert(
    fc.property(attentions, fc.integer({ min: 0, max: 1000 }), ({ heads, orders }, seed) => {
      const { headDim, kvHeads } = heads;
      const values = Int32Array.from(
        orders.flatMap((order, kv) => order.map((channel) => kv * headDim + channel)),
      );
      const inputs = throughAttention(values, heads);
      // Groups in another order.
      const groups = Array.from({ length: inputs.length / PATTERN.group }, (_, i) =>
        inputs.slice(i * PATTERN.group, (i + 1) * PATTERN.group).reverse(),
      );
      const turned = groups.map((_, i) => groups[(i + seed) % groups.length]!);
      const permutation = Int32Array.from(turned.flatMap((group) => [...group]));
      const found = withinHeads({ permutation, pattern: PATTERN }, heads)!;
      expect(found).toHaveLength(kvHeads * headDim);
      expect(groupsOf(throughAttention(found, heads))).toEqual(groupsOf(inputs));
    }),
    { seed: 2310 },
  );
});

test('groups that span two heads, or differ between heads that share values, cannot be folded', () => {
  const heads = { heads: 2, kvHeads: 1, headDim: 8 };
  const orderOf = (...channels: number[]) => ({ permutation: Int32Array.from(channels), pattern: PATTERN });
  expect(withinHeads(orderOf(0, 1, 2, 8, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15), heads)).toBeUndefined();
  expect(withinHeads(orderOf(0, 2, 4, 6, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15), heads)).toBeUndefined();
  expect(withinHeads(orderOf(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15), heads)).toEqual(
    Int32Array.of(0, 2, 4, 6, 1, 3, 5, 7),
  );
});
