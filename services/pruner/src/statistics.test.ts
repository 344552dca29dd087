import { magnitude, type Metric, type Stage } from '@esparse/sparsity';
import { channelAmplitude, defineStatistic, readerOf } from '@esparse/statistics';
import { readersOf } from './statistics.ts';

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
const readers = (metric: Metric['statistics'], stage: Stage['statistics'], combine?: 'worker') =>
  readersOf(
    {
      name: 'mine',
      metric: { ...magnitude(), name: 'score', statistics: metric },
      stages: [{ name: 'solve', statistics: stage, run: () => Promise.resolve({}) }],
    },
    { combine },
  );

test('metric and stages share a reading, and each has those of its own', () => {
  const count = readerOfCount(1);
  const found = readers({ amplitude: channelAmplitude }, { amplitude: channelAmplitude, constructor: count });
  expect(Object.keys(found)).toEqual(['amplitude', 'constructor']);
});

test('what two of them define differently is refused, naming pipeline and part', () => {
  expect(() => readers({ count: readerOfCount(1) }, { count: readerOfCount(1) })).toThrow(
    'solve of pipeline mine needs another reading count than who comes before it',
  );
  expect(() => readers({ one: readerOfCount(1) }, { two: readerOfCount(2) })).toThrow(
    'two statistics are called count: solve of pipeline mine brings the second',
  );
  expect(Object.keys(readers({ one: readerOfCount(1) }, { two: readerOfCount(1) }))).toEqual(['one', 'two']);
});

test('a reading whose name has no place in a store is refused, and so is what is no reading', () => {
  for (const name of ['', 'a/b', '..', 'é'])
    expect(() => readers({ [name]: channelAmplitude }, {})).toThrow('score of pipeline mine: it calls');
  expect(() => readers({ a: {} as never }, {})).toThrow('what it needs as a is no reading of a statistic');
});

test('workers gather only what they know', () => {
  expect(Object.keys(readers({ amplitude: channelAmplitude }, {}, 'worker'))).toEqual(['amplitude']);
  expect(() => readers({}, { count: readerOfCount(1) }, 'worker')).toThrow(
    'workers cannot gather the statistic count of solve of pipeline mine',
  );
});
