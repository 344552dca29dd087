import * as testing from './index.ts';

test('the public surface is this, and nothing else', () => {
  expect(Object.keys(testing).sort()).toEqual([
    'blockStageLaws',
    'encodingLaws',
    'familyLaws',
    'marbles',
    'metricLaws',
    'runPipeline',
    'shuffleLaws',
    'stageLaws',
    'startFakeWorker',
    'statisticLaws',
    'syntheticSequence',
    'syntheticTiles',
  ]);
});
