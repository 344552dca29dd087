import { free } from './free.ts';
import { lend, LENT_BYTES } from './lend.ts';

const LENGTH = 1 << 20;

test('memory of an array that was freed is lent again, to an array of the same size', () => {
  const first = lend(LENGTH);
  const { buffer } = first;
  expect(lend(LENGTH).buffer).not.toBe(buffer);
  free(first);
  expect(lend(LENGTH + 1).buffer).not.toBe(buffer);
  const again = lend(LENGTH);
  expect(again.buffer).toBe(buffer);
  expect(again).toHaveLength(LENGTH);
});

test('who frees an array twice, or a view of it, frees nothing of whoever has the memory now', () => {
  const first = lend(LENGTH + 2);
  free(first);
  const owner = lend(LENGTH + 2);
  expect(owner.buffer).toBe(first.buffer);
  free(first);
  free(new Uint8Array(first.buffer));
  expect(lend(LENGTH + 2).buffer).not.toBe(owner.buffer);
  expect(owner).toHaveLength(LENGTH + 2);
});

test('no more than some memory waits: the oldest is given back to the system', () => {
  const size = LENT_BYTES / 8;
  const arrays = Array.from({ length: 5 }, () => lend(size));
  for (const array of arrays) free(array);
  expect(arrays.map(({ length }) => length)).toEqual([0, size, size, size, size]);
});

test('small arrays are as any others', () => {
  const small = lend(3);
  free(small);
  expect([...small]).toEqual([0, 0, 0]);
});
