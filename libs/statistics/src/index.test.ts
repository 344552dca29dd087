import * as statistics from './index.ts';

test('the public surface is exactly this', () => {
  expect(Object.keys(statistics).sort()).toEqual([
    'HISTOGRAM_BINS',
    'STATISTICS',
    'TOP_TOKENS',
    'amplitude',
    'amplitudeOf',
    'channelAmplitude',
    'channelEntropy',
    'channelHistograms',
    'channelTopTokens',
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
    'topTokens',
    'withLock',
  ]);
});
