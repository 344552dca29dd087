export { abortWith } from './abort.ts';
export {
  blockStages,
  type BlockStageOptions,
  type BlockStageReport,
  type BlockSurroundings,
  type PrunedBlock,
} from './block-stage.ts';
export { commit, type BlockSink } from './commit.ts';
export { disposeStates } from './dispose-states.ts';
export { relativeDistance, type FigureOptions, type OutputComparison } from './figures.ts';
export { finishStatistics } from './finish-statistics.ts';
export { fromPull, type FromPullOptions } from './from-pull.ts';
export { gatherStatistics } from './gather-statistics.ts';
export { createGatherer, stateName, type Gatherer, type GatherOptions, type TapTile } from './gatherer.ts';
export { blamed, guarded, PLUGIN_TIMEOUT_MS, type GuardOptions, type PluginCall } from './guard.ts';
export type { Leased } from './leased.ts';
export type { LinearFigures, LinearJob, LoadedLinear, PrunedLinear } from './linear.ts';
export type { LoadWeights } from './load.ts';
export { mergeSerialisedShards, mergeShards, type SerialisedShards } from './merge-shards.ts';
export { oneByOne } from './one-by-one.ts';
export { severalAtOnce } from './several-at-once.ts';
export { createTurns, type Turns } from './turns.ts';
export { pruneLinear, type PruneLinearOptions } from './prune-linear.ts';
export { readersOf, releaseReadings, statisticsOf, type TapReadings } from './readings.ts';
export { encodePacked } from './encode-packed.ts';
