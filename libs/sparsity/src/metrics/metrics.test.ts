import { eSparse, magnitude, wanda, type MetricInput } from '../index.ts';

/** bf16: [1, -2], [0.5, 4]. */
const linear: MetricInput = {
  rows: 2,
  cols: 2,
  dtype: 'bf16',
  weights: Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4080),
  statistics: { amplitude: Float32Array.of(3, 5), entropy: Float32Array.of(0.5, 0.25) },
};

test('magnitude is |W|, and needs no statistics', async () => {
  expect(magnitude().statistics).toEqual([]);
  expect(await magnitude().score({ ...linear, statistics: {} })).toEqual(Float32Array.of(1, 2, 0.5, 4));
});

test('wanda is |W| times the amplitude', async () => {
  expect(await wanda().score(linear)).toEqual(Float32Array.of(3, 10, 1.5, 20));
});

test('e-sparse is |W| times the entropy plus alpha times the amplitude', async () => {
  expect(await eSparse().score(linear)).toEqual(Float32Array.of(3.5, 10.5, 1.75, 21));
  expect(await eSparse({ alpha: 2 }).score(linear)).toEqual(Float32Array.of(6.5, 20.5, 3.25, 41));
  expect(await eSparse({ alpha: 0 }).score(linear)).toEqual(Float32Array.of(0.5, 0.5, 0.25, 1));
});

test('as alpha grows, e-sparse divided by alpha becomes wanda', async () => {
  const alpha = 2 ** 40;
  const scores = await eSparse({ alpha }).score(linear);
  expect(scores.map((score) => score / alpha)).toEqual(await wanda().score(linear));
});

test('an alpha that is negative or not finite is refused', () => {
  for (const alpha of [-1, Infinity, NaN]) expect(() => eSparse({ alpha })).toThrow(`alpha is ${alpha}`);
});

test('a statistic that is missing or of another length is refused by name', async () => {
  const { amplitude } = linear.statistics;
  const refusal = (text: string) => ({ kind: 'usage', message: expect.stringContaining(text) });
  await expect(eSparse().score({ ...linear, statistics: { amplitude: amplitude! } })).rejects.toMatchObject(
    refusal('needs the entropy of 2 channels, which was not gathered'),
  );
  await expect(
    wanda().score({ ...linear, statistics: { amplitude: Float32Array.of(1) } }),
  ).rejects.toMatchObject(refusal('has 1 channels'));
});

test('a score that is not finite is refused', async () => {
  const statistics = { amplitude: Float32Array.of(1, Infinity) };
  await expect(wanda().score({ ...linear, statistics })).rejects.toMatchObject({ kind: 'numeric' });
});
