import { MAX_SHARD_BYTES } from '@esparse/protocol';
import { shardsOf } from './shards.ts';

test('shards hold every sequence once, in order, and none is over the limit', () => {
  const seqlen = 4;
  const windows = Uint32Array.from({ length: 10 * seqlen }, (_, i) => i);
  const hidden = MAX_SHARD_BYTES / (seqlen * 4) / 3; // room for three sequences
  const shards = shardsOf(windows, seqlen, hidden);
  expect(shards.map(({ index, sequences }) => [index, sequences])).toEqual([
    [0, 3],
    [1, 3],
    [2, 3],
    [3, 1],
  ]);
  expect(shards.flatMap(({ tokens }) => [...tokens])).toEqual([...windows]);
});

test('on devices shards are larger, but for runs of few sequences', () => {
  const [seqlen, hidden] = [4, MAX_SHARD_BYTES / 4 / 4 / 2];
  const sizes = (samples: number) =>
    shardsOf(new Uint32Array(samples * seqlen), seqlen, hidden, true).map(({ sequences }) => sequences);
  expect(sizes(7)).toEqual([2, 2, 2, 1]);
  expect(sizes(96)).toEqual(new Array(32).fill(3));
  expect(sizes(1024)).toEqual(new Array(64).fill(16));
});

test('a sequence that is over the limit by itself is a shard of its own', () => {
  expect(shardsOf(new Uint32Array(2048 * 3), 2048, 8192 * 4)).toHaveLength(3);
});
