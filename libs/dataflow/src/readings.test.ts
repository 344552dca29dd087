import { lastValueFrom, of } from 'rxjs';
import { identityOrder, type Metric, type Stage } from '@esparse/sparsity';
import { channelAmplitude, type StatisticReader } from '@esparse/statistics';
import type { MaskedLinear } from './linear.ts';
import { readersOf, releaseReadings } from './readings.ts';
import { score } from './score.ts';
import { stage } from './stage.ts';

const released: unknown[] = [];
const readerOf = (): StatisticReader => ({
  ...channelAmplitude,
  release: (reading) => released.push(reading),
});
const [mine, yours, both] = [readerOf(), readerOf(), readerOf()];
const readings = new Map([
  [mine, 1],
  [yours, 2],
  [both, 3],
]);

const seen: unknown[] = [];
const metric: Metric = {
  name: 'mine',
  statistics: { size: mine, shared: both },
  score: ({ statistics }) => {
    seen.push(statistics);
    return Promise.resolve(Float32Array.of(1, 2));
  },
};
const step: Stage = {
  name: 'yours',
  statistics: { size: yours, other: both },
  run: ({ statistics }) => {
    seen.push(statistics);
    return Promise.resolve({});
  },
};

const linear: MaskedLinear = {
  block: 0,
  name: 'q_proj',
  tap: 'in',
  rows: 1,
  cols: 2,
  pattern: { keep: 1, group: 2 },
  readings,
  dtype: 'bf16',
  weights: Uint16Array.of(1, 2),
  scores: Float32Array.of(1, 2),
  order: { permutation: identityOrder(2), keptBefore: 1, keptAfter: 2 },
  mask: Uint8Array.of(1),
};

test('metric and stage get what they need by names of their own, and one name may stand for two readings', async () => {
  await lastValueFrom(of(linear).pipe(score(metric)));
  await lastValueFrom(of(linear).pipe(stage(step, { note: () => undefined, progress: () => undefined })));
  expect(seen).toEqual([
    { size: 1, shared: 3 },
    { size: 2, other: 3 },
  ]);
});

test('a reader that both of them use is there once, and its reading is released once', () => {
  expect([...readersOf([metric, step])]).toEqual([mine, both, yours]);
  releaseReadings(new Map([['in', readings]]));
  expect(released).toEqual([1, 2, 3]);
});

test('a reading that is missing is named as its part calls it', async () => {
  const missing$ = of({ ...linear, readings: new Map() }).pipe(score(metric));
  await expect(lastValueFrom(missing$)).rejects.toThrow('nothing was read as size');
});
