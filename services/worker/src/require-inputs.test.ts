import { MAX_SHARD_BYTES } from '@esparse/protocol';
import { requireShardSize } from './require-inputs.ts';

const HIDDEN = 256;
const SEQLEN = 512;
const MOST = MAX_SHARD_BYTES / (4 * HIDDEN);

test('a shard is refused whose hidden states are larger than a worker holds, unless it is one sequence', () => {
  requireShardSize(MOST, SEQLEN, HIDDEN, MAX_SHARD_BYTES);
  requireShardSize(2 * MOST, 2 * MOST, HIDDEN, MAX_SHARD_BYTES);
  expect(() => {
    requireShardSize(MOST + SEQLEN, SEQLEN, HIDDEN, MAX_SHARD_BYTES);
  }).toThrow(/expected at most 16777216, or one sequence/);
});
