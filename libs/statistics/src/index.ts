export { amplitude, amplitudeOf, type AmplitudeState } from './amplitude.ts';
export { channelHistograms, HISTOGRAM_BINS, type ChannelHistograms } from './channel-histograms.ts';
export { checkAlike, checkChannels, checkTile, sameParameters } from './checks.ts';
export type { Cost, TapShape } from './cost.ts';
export type { ArrivedStates } from './sketch-encoding.ts';
export {
  deviceArrays,
  heldCopy,
  lacksDeviceMemory,
  refusedOf,
  tileArguments,
  type DeviceArgument,
  type DeviceFold,
  type DeviceMemory,
  type DeviceProduct,
  type DeviceTile,
  type HeldCopy,
  type RecordedWork,
  type SharingDevice,
  type StatisticDevice,
} from './device.ts';
export { repeated, type RepeatedWork } from './repeated.ts';
export { damagedState, open as openState, seal as sealState } from './envelope.ts';
export { withLock } from './state-lock.ts';
export { defineStatistic, type DefinedState, type StatisticDefinition } from './define.ts';
export { entropy, entropyOf, type EntropyReading, type EntropyState } from './entropy.ts';
export { rowSample, sampledRows, type RowSample } from './row-sample.ts';
export { mergeSketches, type SketchState, type StatisticSketch } from './sketch.ts';
export {
  maxSketchBytes,
  mergeSerialised,
  serialiseSketch,
  type SketchExpectation,
} from './sketch-encoding.ts';
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
export { channelTopTokens, TOP_TOKENS, topTokens, type TopTokens } from './top-tokens.ts';
export type {
  AnyStatistic,
  ArrivingPieces,
  PiecedStates,
  Statistic,
  StatisticParameters,
  StatisticState,
  StatisticTile,
} from './statistic.ts';
