export { blockStageLaws, type LawfulBlockStage } from './block-stage-laws.ts';
export { encodingLaws, type EncodingLawOptions, type LawfulEncoding } from './encoding-laws.ts';
export { metricLaws, type LawfulMetric } from './metric-laws.ts';
export { startHubServer, type HubModel, type HubRequest, type HubServer } from './hub-server.ts';
export { marbles, type Marbles, type Watched } from './marbles.ts';
export { memoryForPieces, type MemoryForPieces } from './memory-for-pieces.ts';
export { ReferenceLlama, referenceRope, type ReferenceBlock } from './models/reference-llama.ts';
export {
  memoryWeights,
  someTokens,
  tinyLlama,
  type MemoryWeights,
  type TinyConfig,
  type TinyLlama,
  type TinyTensor,
} from './models/tiny-llama.ts';
export { relativeError } from './relative-error.ts';
export { inTemporaryFolder, treeOf } from './temporary-folder.ts';
export { thrownBy } from './thrown.ts';
export type { LawOptions } from './every-case.ts';
export type { LawfulReaders, LawPattern } from './linear-cases.ts';
export type { LawTile } from './statistic-cases.ts';
export type { MarbleValues } from './diagrams.ts';
export { shuffleLaws, type LawfulShuffle, type ShuffleLawOptions } from './shuffle-laws.ts';
export { stageLaws, type LawfulStage } from './stage-laws.ts';
export { statisticLaws, type LawfulStatistic, type StatisticLawOptions } from './statistic-laws.ts';
export {
  syntheticSequence,
  syntheticTiles,
  type Activations,
  type SyntheticOptions,
} from './synthetic-tiles.ts';
export { uniform } from './uniform.ts';
