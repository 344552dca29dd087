import { maskOf } from './mask.ts';

test('bit i of a row says whether the weight at position i of the shuffled order is kept', async () => {
  const scores = Float32Array.of(1, 2, 3, 4, 8, 7, 6, 5);
  const order = Int32Array.of(0, 2, 3, 1); // groups (0, 2) and (3, 1)
  // Row 0 keeps channels 2 and 3, at positions 1 and 2; row 1 keeps 0 and 1, at positions 0 and 3.
  expect(await maskOf(scores, 2, 4, order, 1, 2)).toEqual(Uint8Array.of(0b0110, 0b1001));
});

test('of equal scores the lower original channel is kept, wherever it stands in the group', async () => {
  const mask = await maskOf(new Float32Array(4).fill(1), 1, 4, Int32Array.of(3, 1, 0, 2), 2, 4);
  expect(mask).toEqual(Uint8Array.of(0b0110));
});

test('rows start at whole bytes', async () => {
  const cols = 10;
  const scores = Float32Array.from({ length: 2 * cols }, (_, i) => i % 2);
  const order = Int32Array.from({ length: cols }, (_, i) => i);
  expect(await maskOf(scores, 2, cols, order, 1, 2)).toEqual(Uint8Array.of(0xaa, 0x02, 0xaa, 0x02));
});
