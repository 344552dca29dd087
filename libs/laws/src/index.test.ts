import * as laws from './index.ts';

test('the public surface is this, and nothing else', () => {
  expect(Object.keys(laws).sort()).toEqual([
    'ReferenceLlama',
    'blockStageLaws',
    'encodingLaws',
    'inTemporaryFolder',
    'marbles',
    'memoryForPieces',
    'memoryWeights',
    'metricLaws',
    'referenceRope',
    'relativeError',
    'shuffleLaws',
    'someTokens',
    'stageLaws',
    'startHubServer',
    'statisticLaws',
    'syntheticSequence',
    'syntheticTiles',
    'thrownBy',
    'tinyLlama',
    'treeOf',
    'uniform',
  ]);
});
