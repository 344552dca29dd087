import fc from 'fast-check';
import { MAX_SEQLEN } from '../limits.ts';
import { attentionChunk } from './attention-chunks.ts';

test('the scores of a chunk stay under 64 MiB, or are 16 rows, and there are at most 2048 chunks', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2048 }), fc.integer({ min: 1, max: MAX_SEQLEN }), (heads, rows) => {
      const chunk = attentionChunk(heads, rows);
      expect(chunk).toBeGreaterThanOrEqual(1);
      expect(chunk).toBeLessThanOrEqual(rows);
      expect(chunk <= 16 || heads * chunk * rows * 4 <= 64 << 20).toBe(true);
      expect(Math.ceil(rows / chunk)).toBeLessThanOrEqual(2048);
    }),
    { seed: 1 },
  );
});
