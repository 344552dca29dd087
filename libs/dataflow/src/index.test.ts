import * as dataflow from './index.ts';

test('the public surface is this, and nothing else', () => {
  expect(Object.keys(dataflow).sort()).toEqual([
    'PLUGIN_TIMEOUT_MS',
    'abortWith',
    'blamed',
    'blockStages',
    'commit',
    'createGatherer',
    'createTurns',
    'disposeStates',
    'encodePacked',
    'finishStatistics',
    'fromPull',
    'gatherStatistics',
    'guarded',
    'mergeSerialisedShards',
    'mergeShards',
    'oneByOne',
    'pruneLinear',
    'readersOf',
    'relativeDistance',
    'releaseReadings',
    'severalAtOnce',
    'stateName',
    'statisticsOf',
  ]);
});
