export { amplitude, amplitudeOf, type AmplitudeOptions, type AmplitudeState } from './amplitude.ts';
export { MAX_CHANNELS } from './checks.ts';
export {
  entropy,
  entropyOf,
  type EntropyOptions,
  type EntropyReading,
  type EntropyState,
} from './entropy.ts';
export { mergePartials, type AnyStatistic, type Partial, type PartialState } from './partial.ts';
export {
  maxPartialBytes,
  mergeSerialised,
  serialisePartial,
  type PartialExpectation,
} from './partial-encoding.ts';
export { parametersText, STATISTICS } from './registry.ts';
export type { Statistic, StatisticParameters, StatisticState, StatisticTile } from './statistic.ts';
