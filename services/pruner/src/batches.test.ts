import fc from 'fast-check';
import { batchesOf, MAX_BATCHES } from './batches.ts';

const shardsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ index, sequences: 1, tokens: new Uint32Array() }));

test('every shard is in one batch, batches are even, and their number does not grow with the shards', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(300), (shards, workers) => {
      const batches = batchesOf(shardsOf(shards), workers);
      expect(batches.flat().map(({ index }) => index)).toEqual([...Array(shards).keys()]);
      const sizes = batches.map(({ length }) => length);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(batches.length).toBeLessThanOrEqual(Math.min(MAX_BATCHES, Math.max(1, workers)));
    }),
    { seed: 7 },
  );
});
