import { syntheticSequence, syntheticTiles, type SyntheticOptions } from './index.ts';

const SMALL = { channels: 3, sequences: 3, seqlen: 10 };
const rowsOf = (options: SyntheticOptions) => [...syntheticTiles(options)].flatMap(({ data }) => [...data]);

test('the same rows come however they are cut, and other seeds and sequences have others', () => {
  const whole = rowsOf(SMALL);
  expect(whole).toHaveLength(3 * 10 * 3);
  for (const cuts of [[1], [3, 4], [7], [100]]) expect(rowsOf({ ...SMALL, cuts })).toEqual(whole);
  expect(rowsOf({ ...SMALL, seed: 1 })).not.toEqual(whole);
  expect(syntheticSequence(SMALL, 0)).not.toEqual(syntheticSequence(SMALL, 1));
});

test('a tile says whether it ends its sequence, and none reaches over the end', () => {
  const tiles = [...syntheticTiles({ ...SMALL, cuts: [4] })];
  expect(tiles.map(({ rows, endsSequence }) => [rows, endsSequence])).toEqual(
    [0, 1, 2].flatMap(() => [
      [4, false],
      [4, false],
      [2, true],
    ]),
  );
});

test('gaussian has mean 0 and variance 1, outliers are few and large, and half of relu is zero', () => {
  const many = { channels: 32, sequences: 4, seqlen: 500 };
  const variance = (values: readonly number[]) => values.reduce((sum, x) => sum + x * x, 0) / values.length;
  const gaussian = rowsOf(many);
  expect(gaussian.reduce((sum, x) => sum + x, 0) / gaussian.length).toBeCloseTo(0, 1);
  expect(variance(gaussian)).toBeCloseTo(1, 1);
  const outliers = rowsOf({ ...many, activations: 'outliers' });
  const byChannel = (channel: number) => outliers.filter((_, i) => i % 32 === channel);
  expect(variance(byChannel(0))).toBeCloseTo(1, 0);
  expect(variance(byChannel(15))).toBeGreaterThan(300);
  const zeros = rowsOf({ ...many, activations: 'relu' }).filter((x) => x === 0).length;
  expect(zeros / gaussian.length).toBeCloseTo(0.5, 1);
});

test('cuts that are no numbers of rows are refused', () => {
  for (const cuts of [[], [0], [1.5]]) {
    expect(() => [...syntheticTiles({ ...SMALL, cuts })]).toThrow('expected numbers of rows');
  }
});
