import { eSparse, magnitude, ria, wanda, type MetricInput } from '../index.ts';

const statistics = { amplitude: Float32Array.of(3, 5), entropy: Float32Array.of(0.5, 0.25) };

/** bf16: [1, -2], [0.5, 4]. */
const linear: MetricInput<typeof statistics> = {
  rows: 2,
  cols: 2,
  dtype: 'bf16',
  weights: Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4080),
  statistics,
};

test('magnitude is |W|, and needs no statistics', async () => {
  expect(magnitude().statistics).toEqual({});
  expect(await magnitude().score({ ...linear, statistics: {} })).toEqual(Float32Array.of(1, 2, 0.5, 4));
});

test('wanda is |W| times the amplitude', async () => {
  expect(Object.keys(wanda().statistics)).toEqual(['amplitude']);
  expect(await wanda().score(linear)).toEqual(Float32Array.of(3, 10, 1.5, 20));
});

test('e-sparse is |W| times the entropy plus alpha times the amplitude', async () => {
  expect(Object.keys(eSparse().statistics)).toEqual(['entropy', 'amplitude']);
  expect(await eSparse().score(linear)).toEqual(Float32Array.of(3.5, 10.5, 1.75, 21));
  expect(await eSparse({ alpha: 2 }).score(linear)).toEqual(Float32Array.of(6.5, 20.5, 3.25, 41));
  expect(await eSparse({ alpha: 0 }).score(linear)).toEqual(Float32Array.of(0.5, 0.5, 0.25, 1));
});

test('as alpha grows, e-sparse divided by alpha becomes wanda', async () => {
  const alpha = 2 ** 40;
  const scores = await eSparse({ alpha }).score(linear);
  expect(scores.map((score) => score / alpha)).toEqual(await wanda().score(linear));
});

test('ria is the shares of row and column times a power of the amplitude', async () => {
  const shares = [1 / 3 + 1 / 1.5, 2 / 3 + 2 / 6, 0.5 / 4.5 + 0.5 / 1.5, 4 / 4.5 + 4 / 6];
  const expected = (power: number) => shares.map((share, i) => share * [3, 5][i % 2]! ** power);
  for (const power of [0, 0.5, 1]) {
    const scores = await ria({ power }).score(linear);
    for (const [i, score] of expected(power).entries()) expect(scores[i]).toBeCloseTo(score, 5);
  }
  const [first] = await ria().score(linear);
  expect(first).toBeCloseTo(expected(0.5)[0]!, 5);
});

test('rows and columns of zeros score zero by ria', async () => {
  expect(await ria().score({ ...linear, weights: new Uint16Array(4) })).toEqual(new Float32Array(4));
});

test('an alpha or a power that is negative or not finite is refused', () => {
  for (const value of [-1, Infinity, NaN]) {
    expect(() => eSparse({ alpha: value })).toThrow(`alpha is ${value}`);
    expect(() => ria({ power: value })).toThrow(`power is ${value}`);
  }
});

test('a statistic that is missing or of another length is refused by name', async () => {
  const { amplitude } = statistics;
  const refusal = (text: string) => ({ kind: 'usage', message: expect.stringContaining(text) });
  const missing = { amplitude } as typeof statistics;
  await expect(eSparse().score({ ...linear, statistics: missing })).rejects.toMatchObject(
    refusal('needs the entropy of 2 channels, which was not gathered'),
  );
  await expect(
    wanda().score({ ...linear, statistics: { amplitude: Float32Array.of(1) } }),
  ).rejects.toMatchObject(refusal('has 1 channels'));
});

test('a score that is not finite is refused', async () => {
  const infinite = { amplitude: Float32Array.of(1, Infinity) };
  for (const metric of [wanda(), ria()]) {
    await expect(metric.score({ ...linear, statistics: infinite })).rejects.toMatchObject({
      kind: 'numeric',
    });
  }
});
