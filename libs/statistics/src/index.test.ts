import * as statistics from './index.ts';

test('the public surface is exactly this', () => {
  expect(Object.keys(statistics).sort()).toEqual([
    'MAX_CHANNELS',
    'STATISTICS',
    'amplitude',
    'amplitudeOf',
    'entropy',
    'entropyOf',
    'maxPartialBytes',
    'mergePartials',
    'mergeSerialised',
    'parametersText',
    'serialisePartial',
  ]);
});
