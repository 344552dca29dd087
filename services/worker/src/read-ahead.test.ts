import { createReadAhead } from './read-ahead.ts';

/** Shards that hold their own number, and what was read of them, in order. */
function shards(there: number) {
  const asked: number[] = [];
  const read = (shard: number) => {
    asked.push(shard);
    if (shard >= there) return Promise.reject(new Error('missing'));
    return Promise.resolve({ data: Float32Array.of(shard), shape: [1, 1, 1] });
  };
  return { asked, read };
}

test('shards in turn are each read once, one ahead, and what is beyond the last is no error', async () => {
  const { asked, read } = shards(4);
  const ahead = createReadAhead();
  for (const shard of [0, 1, 2, 3]) {
    expect((await ahead.read('a', read, shard)).data).toEqual(Float32Array.of(shard));
    expect(asked.at(-1)).toBe(shard + 1);
  }
  expect(asked).toEqual([0, 1, 2, 3, 4]);
});

test("every other shard is read ahead where another worker has those between, and other states' shards are their own", async () => {
  const { asked, read } = shards(9);
  const ahead = createReadAhead();
  for (const shard of [0, 2, 4, 6]) await ahead.read('a', read, shard);
  expect(asked).toEqual([0, 1, 2, 4, 6, 8]);
  const other = shards(9);
  await ahead.read('b', other.read, 8);
  expect(other.asked).toEqual([8, 9]);
});

test('a shard that was not there when it was guessed is read when it is asked for', async () => {
  const asked: number[] = [];
  const ahead = createReadAhead();
  const read = (shard: number) => {
    asked.push(shard);
    if (shard === 1 && asked.filter((each) => each === 1).length === 1)
      return Promise.reject(new Error('not yet'));
    return Promise.resolve({ data: Float32Array.of(shard), shape: [1] });
  };
  await ahead.read('a', read, 0);
  expect((await ahead.read('a', read, 1)).data[0]).toBe(1);
  await expect(ahead.read('c', () => Promise.reject(new Error('gone')), 5)).rejects.toThrow('gone');
});
