import { statisticsOf } from '@esparse/dataflow';
import { magnitude, type Metric, type Stage } from '@esparse/sparsity';
import { channelAmplitude, defineStatistic, readerOf, sampledRows } from '@esparse/statistics';
import { checkedReaders } from './statistics.ts';

const countOf = (parameters: Readonly<Record<string, number>>) =>
  defineStatistic({
    name: 'count',
    parameters,
    create: () => ({}),
    update: () => undefined,
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
  });
const readerOfCount = (step: number) => readerOf(countOf({ step }), () => Promise.resolve(step));
const readers = (
  metric: Metric['statistics'],
  stage: Stage['statistics'],
  { outputError = false, ...options }: { outputError?: boolean; figures?: boolean; combine?: 'worker' } = {},
) =>
  checkedReaders(
    {
      ...{ name: 'mine', outputError },
      metric: { ...magnitude(), name: 'score', statistics: metric },
      stages: [{ name: 'solve', statistics: stage, run: () => Promise.resolve({}) }],
    },
    options,
  );

test('metric and stages share a reading, and each has those of its own', () => {
  const count = readerOfCount(1);
  const found = readers({ amplitude: channelAmplitude }, { amplitude: channelAmplitude, constructor: count });
  expect([...found]).toEqual([channelAmplitude, count]);
});

test('names of readings are private to metric and stage, and what is the same statistic is gathered once', () => {
  const [one, other] = [readerOfCount(1), readerOfCount(1)];
  const found = readers({ count: one }, { count: other });
  expect([...found]).toEqual([one, other]);
  expect(statisticsOf(found)).toEqual([one.statistic]);
  expect(statisticsOf(found)[0]).toBe(one.statistic);
});

test('two statistics of one name are refused, naming pipeline and part', () => {
  expect(() => readers({ one: readerOfCount(1) }, { two: readerOfCount(2) })).toThrow(
    'two statistics are called count: solve of pipeline mine brings the second',
  );
});

test('a reading whose name has no place in a store is refused, and so is what is no reading', () => {
  for (const name of ['', 'a/b', '..', 'é'])
    expect(() => readers({ [name]: channelAmplitude }, {})).toThrow('score of pipeline mine: it calls');
  expect(() => readers({ a: {} as never }, {})).toThrow('what it needs as a is no reading of a statistic');
});

test('workers gather only what they know', () => {
  expect([...readers({ amplitude: channelAmplitude }, {}, { combine: 'worker' })]).toEqual([
    channelAmplitude,
  ]);
  expect(() => readers({}, { count: readerOfCount(1) }, { combine: 'worker' })).toThrow(
    'workers cannot gather the statistic count of solve of pipeline mine',
  );
});

test('rows are sampled for the change of outputs where activations are gathered anyway, by workers, too', () => {
  const amplitude = { amplitude: channelAmplitude };
  const outputError = true;
  expect([...readers(amplitude, {}, { outputError, combine: 'worker' })]).toEqual([
    channelAmplitude,
    sampledRows,
  ]);
  expect([...readers({}, {}, { outputError })]).toEqual([]);
  expect([...readers({}, {}, { outputError, figures: true })]).toEqual([sampledRows]);
  expect([...readers(amplitude, {}, { outputError: false, figures: true })]).toEqual([channelAmplitude]);
});
