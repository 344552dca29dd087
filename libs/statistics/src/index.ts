export { amplitude, amplitudeOf, type AmplitudeState } from './amplitude.ts';
export { entropy, entropyOf, type EntropyState } from './entropy.ts';
export type { Statistic, StatisticTile } from './statistic.ts';
