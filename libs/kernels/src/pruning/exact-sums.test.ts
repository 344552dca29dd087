import { addExactly, addExactlyReference, EXACT_SUM_PART } from './exact-sums.ts';

/** Numbers of every scale from 2^-50 to 2^39, of both signs, halves among them. */
const addends = (count: number, length: number) =>
  Float32Array.from({ length: count * length }, (_, i) =>
    i % 5 === 0 ? (i % 64) - 31.5 : Math.sin(i * i) * 2 ** ((i % 90) - 50),
  );

test('the native kernel gives the bits of the reference, at any length and count', async () => {
  for (const [count, length] of [
    [1, 1],
    [3, 7],
    [4, 40_000],
  ] as const) {
    const [native, reference] = [new Float64Array(2 * length), new Float64Array(2 * length)];
    await addExactly(native, addends(count, length), count);
    addExactlyReference(reference, addends(count, length), count);
    expect(native).toEqual(reference);
  }
});

test('sums do not depend on the order of the addends, where f64 alone would', async () => {
  const sumOf = async (values: number[]) => {
    const sums = new Float64Array(2);
    for (const value of values) await addExactly(sums, Float32Array.of(value), 1);
    return sums;
  };
  const values = [2 ** 39, 2 ** -40, -(2 ** 39), 0.5, 1.5, 2 ** -20 * 3];
  const sums = await sumOf(values);
  expect(await sumOf(values.reverse())).toEqual(sums);
  expect(sums[0]! + sums[1]! * EXACT_SUM_PART).toBe(2 + 2 ** -40 + 2 ** -20 * 3);
});
