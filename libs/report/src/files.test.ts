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
