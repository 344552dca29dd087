import * as laws from './index.ts';

test('the public surface is this, and nothing else', () => {
  expect(Object.keys(laws).sort()).toEqual([
    'marbles',
    'metricLaws',
    'shuffleLaws',
    'stageLaws',
    'statisticLaws',
    'syntheticSequence',
    'syntheticTiles',
  ]);
});
