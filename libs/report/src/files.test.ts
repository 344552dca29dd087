import { readPoints } from './points.ts';
import { readPruneLog } from './prune-log.ts';

test('points of others are read from a list', () => {
  const text = JSON.stringify([{ name: 'Q4_K_M', bitsPerWeight: 4.8, perplexity: 26.1 }]);
  expect(readPoints(text, 'points.json')).toEqual([
    { name: 'Q4_K_M', kind: 'given', bitsPerWeight: 4.8, perplexity: 26.1 },
  ]);
});

test.each([
  ['{', /^points.json is no JSON/],
  ['[{ "name": "a" }]', /^points.json: 0.bitsPerWeight: /],
  ['[{ "name": "a", "bitsPerWeight": -1 }]', /^points.json: 0.bitsPerWeight: /],
  ['[{ "name": "a", "bitsPerWeight": 4, "ppl": 3 }]', /^points.json: 0: /],
])('points %s are refused by name', (text, message) => {
  expect(() => readPoints(text, 'points.json')).toThrow(
    expect.objectContaining({ kind: 'text', message: expect.stringMatching(message) }),
  );
});

const started = (run: string) => JSON.stringify({ event: 'started', run, workers: ['127.0.0.1:1'] });
const finished = (run: string) =>
  JSON.stringify({
    event: 'finished',
    run,
    seconds: { total: 3 },
    peakResidentBytes: { pruner: 1, workers: [2] },
    wireBytes: 5,
  });

test('the events of a run say its workers, and once it has ended its times', () => {
  const expected = { file: 'run.jsonl', run: 'a' };
  expect(readPruneLog(`${started('a')}\n`, expected)).toEqual(
    expect.objectContaining({ workers: ['127.0.0.1:1'] }),
  );
  const log = readPruneLog([started('b'), started('a'), finished('a'), ''].join('\n'), expected);
  expect(log).toMatchObject({ run: 'a', workers: ['127.0.0.1:1'], seconds: { total: 3 } });
});

test('events of another run, and what is none, are refused', () => {
  const read = (text: string) => () => readPruneLog(text, { file: 'run.jsonl', run: 'a' });
  expect(read(started('b'))).toThrow('run.jsonl says nothing of run a: it is of b');
  expect(read('pruned!')).toThrow('run.jsonl, line 1 is no JSON');
});

test('the operator that worked most is named, with its share of the time', () => {
  const operators = (run: string, seconds: number, entropy: number) =>
    JSON.stringify({
      ...{ event: 'operators', run, seconds },
      operators: [
        { operator: 'statistic:entropy', busy: entropy },
        { operator: 'shuffle:both', busy: 0.3 },
      ],
    });
  const text = [started('a'), operators('a', 1, 1), operators('b', 9, 0), operators('a', 3, 0.2)].join('\n');
  const { slowest } = readPruneLog(text, { file: 'run.jsonl', run: 'a' });
  expect(slowest).toEqual({ operator: 'statistic:entropy', share: expect.closeTo(0.4) });
  expect(readPruneLog(started('a'), { file: 'run.jsonl', run: 'a' }).slowest).toBeUndefined();
});
