import * as statistics from './index.ts';

test('the public surface is exactly this', () => {
  expect(Object.keys(statistics).sort()).toEqual([
    'MAX_CHANNELS',
    'amplitude',
    'amplitudeOf',
    'deserialisePartial',
    'entropy',
    'entropyOf',
    'mergePartials',
    'serialisePartial',
  ]);
});
