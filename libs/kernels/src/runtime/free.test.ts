import { free } from './free.ts';

test('a large array is empty after it was freed, and so is every view of its memory', () => {
  const array = new Float32Array(1 << 16);
  const view = new Uint8Array(array.buffer, 16);
  free(array);
  expect(array).toHaveLength(0);
  expect(view).toHaveLength(0);
});

test('a small array, which may share its memory, is left alone', () => {
  const array = Float32Array.of(1, 2, 3);
  free(array);
  expect([...array]).toEqual([1, 2, 3]);
});

test('freeing twice is harmless', () => {
  const array = new Uint8Array(1 << 20);
  free(array);
  expect(() => {
    free(array);
  }).not.toThrow();
});
