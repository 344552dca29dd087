import * as dataflow from './index.ts';

test('the public surface is what the documentation tells', () => {
  expect(Object.keys(dataflow).sort()).toEqual([
    'PLUGIN_TIMEOUT_MS',
    'abortWith',
    'blamed',
    'commit',
    'createGatherer',
    'enrich',
    'finishStatistics',
    'fromPull',
    'gatherStatistics',
    'guarded',
    'load',
    'mask',
    'mergeSerialisedShards',
    'mergeShards',
    'oneByOne',
    'pack',
    'readersOf',
    'releaseReadings',
    'score',
    'shuffle',
    'stage',
    'stateName',
    'statisticsOf',
  ]);
});
