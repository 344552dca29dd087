export { abortWith } from './abort.ts';
export { commit, type BlockSink } from './commit.ts';
export { enrich } from './enrich.ts';
export { finishStatistics } from './finish-statistics.ts';
export { fromPull, type FromPullOptions } from './from-pull.ts';
export { gatherStatistics } from './gather-statistics.ts';
export { createGatherer, stateName, type Gatherer, type GatherOptions, type TapTile } from './gatherer.ts';
export { blamed, guarded, PLUGIN_TIMEOUT_MS, type GuardOptions, type PluginCall } from './guard.ts';
export type { Leased } from './leased.ts';
export type {
  LinearJob,
  LoadedLinear,
  MaskedLinear,
  PrunedLinear,
  ScoredLinear,
  ShuffledLinear,
} from './linear.ts';
export { load, type LoadWeights } from './load.ts';
export { mask } from './mask.ts';
export { mergeSerialisedShards, mergeShards, type SerialisedShards } from './merge-shards.ts';
export { oneByOne } from './one-by-one.ts';
export { pack } from './pack.ts';
export { readersOf, releaseReadings, statisticsOf, type TapReadings } from './readings.ts';
export { score } from './score.ts';
export { shuffle } from './shuffle.ts';
export { stage } from './stage.ts';
