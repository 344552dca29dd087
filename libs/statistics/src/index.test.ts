import * as statistics from './index.ts';

test('the public surface is exactly this', () => {
  expect(Object.keys(statistics).sort()).toEqual([
    'MAX_CHANNELS',
    'STATISTICS',
    'amplitude',
    'amplitudeOf',
    'channelAmplitude',
    'channelEntropy',
    'checkAlike',
    'checkChannels',
    'checkPlugin',
    'checkTile',
    'damagedState',
    'defineStatistic',
    'entropy',
    'entropyOf',
    'maxSketchBytes',
    'mergeSerialised',
    'mergeSketches',
    'openState',
    'parametersText',
    'readerOf',
    'sameParameters',
    'sealState',
    'serialiseSketch',
    'withLock',
  ]);
});
