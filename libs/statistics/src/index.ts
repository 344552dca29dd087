export { amplitude, amplitudeOf, type AmplitudeState } from './amplitude.ts';
export { checkAlike, checkChannels, checkTile, MAX_CHANNELS, sameParameters } from './checks.ts';
export { damagedState, open as openState, seal as sealState } from './envelope.ts';
export { inTurn } from './turns.ts';
export { defineStatistic, type DefinedState, type StatisticDefinition } from './define.ts';
export { entropy, entropyOf, type EntropyReading, type EntropyState } from './entropy.ts';
export { mergePartials, type AnyStatistic, type Partial, type PartialState } from './partial.ts';
export {
  maxPartialBytes,
  mergeSerialised,
  serialisePartial,
  type PartialExpectation,
} from './partial-encoding.ts';
export {
  channelAmplitude,
  channelEntropy,
  readerOf,
  type ReadingContext,
  type Readings,
  type StatisticReader,
  type StatisticReaders,
} from './reader.ts';
export { checkPlugin } from './plugin-name.ts';
export { parametersText, STATISTICS } from './registry.ts';
export type { Statistic, StatisticParameters, StatisticState, StatisticTile } from './statistic.ts';
