import * as dataflow from './index.ts';

test('the public surface is what the documentation tells', () => {
  expect(Object.keys(dataflow).sort()).toEqual([
    'PLUGIN_TIMEOUT_MS',
    'abortWith',
    'blamed',
    'commit',
    'createGatherer',
    'finishStatistics',
    'fromPull',
    'gatherStatistics',
    'guarded',
    'mergeSerialisedShards',
    'mergeShards',
    'oneByOne',
    'pruneLinear',
    'readersOf',
    'releaseReadings',
    'stateName',
    'statisticsOf',
  ]);
});
