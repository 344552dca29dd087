import type { ArrayValue } from '@esparse/checkpoint';
import { HitCount, NearnessSum } from './graph-figures.ts';

const floats = (values: readonly number[], ...shape: number[]): ArrayValue => ({
  ...{ type: 1, shape },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const labels = (...values: number[]): ArrayValue => ({
  ...{ type: 7, shape: [values.length] },
  bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

test('a row counts where its class is the likeliest, and where fewer than five are likelier; equals do not count', () => {
  const count = new HitCount(labels(1, 0, 5, 2));
  count.add('y', floats([0, 9, 1, 2, 3, 4], 1, 6));
  count.add('y', floats([1, 9, 2, 3, 4, 0], 1, 6));
  // Two rows of one sample.
  count.add('y', floats([5, 4, 3, 2, 1, 0, 1, 1, 1, 1, 1, 1], 1, 2, 6));
  expect(count.hits).toEqual({ rows: 4, top1: 0.25, top5: 0.5 });
});

test('labels that are too few, too many or no classes are refused', () => {
  const row = floats([1, 2], 1, 2);
  expect(() => {
    new HitCount(labels()).add('y', row);
  }).toThrow('label 0 is missing');
  expect(() => {
    new HitCount(labels(2)).add('y', row);
  }).toThrow("label 0 is 2: output 'y' has 2 classes");
  const count = new HitCount(labels(1, 1));
  count.add('y', row);
  expect(() => count.hits).toThrow('2 labels for 1 rows');
});

test('errors and angles are of all values together', () => {
  const sum = new NearnessSum();
  sum.add('y', floats([1, 0], 2), floats([0, 1], 2));
  sum.add('y', floats([3], 1), floats([3], 1));
  expect(sum.nearness.meanSquaredError).toBeCloseTo(2 / 3);
  expect(sum.nearness.relative).toBeCloseTo(2 / 10);
  expect(sum.nearness.cosine).toBeCloseTo(9 / 10);
  expect(() => {
    sum.add('y', floats([1], 1), floats([1, 2], 2));
  }).toThrow("output 'y' is [1] where [2] was expected");
});
