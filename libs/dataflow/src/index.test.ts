import * as dataflow from './index.ts';

test('the public surface is what the documentation tells', () => {
  expect(Object.keys(dataflow).sort()).toEqual([
    'abortWith',
    'commit',
    'enrich',
    'finishStatistics',
    'fromPull',
    'gatherStatistics',
    'load',
    'mask',
    'mergeShards',
    'oneByOne',
    'pack',
    'score',
    'shuffle',
  ]);
});
