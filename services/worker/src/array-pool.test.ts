import { createArrayPool } from './array-pool.ts';

test('memory that was given back is used again, by its length, and threads can share it', () => {
  const pool = createArrayPool();
  const first = pool.take(5);
  expect(first.buffer).toBeInstanceOf(SharedArrayBuffer);
  pool.give(first);
  expect(pool.take(4)).not.toBe(first);
  expect(pool.take(5)).toBe(first);
  expect(pool.take(5)).not.toBe(first);
});

test('no more is held than shards are under way', () => {
  const pool = createArrayPool();
  const all = Array.from({ length: 20 }, () => pool.take(3));
  for (const array of all) pool.give(array);
  const again = Array.from({ length: 20 }, () => pool.take(3));
  expect(again.filter((array) => all.includes(array))).toHaveLength(8);
});
