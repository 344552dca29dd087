import * as statistics from './index.ts';

test('the public surface is exactly this', () => {
  expect(Object.keys(statistics).sort()).toEqual([
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
    'parametersText',
    'readerOf',
    'rowSample',
    'sameParameters',
    'sampledRows',
    'serialiseSketch',
    'withLock',
  ]);
});
