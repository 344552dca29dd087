/** What plug-ins of esparse are made with: docs/plugins.md. */
export { z } from 'zod';
export { EsparseError, isEsparseError, type ErrorDetails, type ErrorKind } from '@esparse/errors';
export {
  configurePipeline,
  defineMetric,
  definePipeline,
  defineShuffle,
  defineStage,
  describeOptions,
  type BlockShape,
  type ConfiguredPipeline,
  type DefinedPipeline,
  type HeldCost,
  type LinearShape,
  type Metric,
  type MetricDefinition,
  type MetricInput,
  type NoOptions,
  type OptionDescription,
  type OptionsSchema,
  type Pipeline,
  type PipelineParts,
  type PipelineSource,
  type Plugin,
  type PluginContext,
  type PluginFactory,
  type ScoreMatrix,
  type Shuffle,
  type ShuffleDefinition,
  type ShuffleResult,
  type Stage,
  type StageContext,
  type StageDefinition,
  type StageInput,
  type StageResult,
} from '@esparse/sparsity';
export {
  damagedState,
  defineStatistic,
  readerOf,
  type AnyStatistic,
  type Cost,
  type DefinedState,
  type ReadingContext,
  type Readings,
  type Statistic,
  type StatisticDefinition,
  type StatisticParameters,
  type StatisticReader,
  type StatisticReaders,
  type StatisticState,
  type StatisticTile,
  type TapShape,
} from '@esparse/statistics';

export {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  defineFamily,
  LOGITS,
  type BlockOp,
  type BlockTensorSpec,
  type FamilyDefinition,
  type FamilyDescription,
  type LinearSpec,
  type ModelDescription,
  type ModelFamily,
  type ModelProgram,
  type ProgramOp,
  type RopeSpec,
  type TapSpec,
  type TensorSpec,
} from '@esparse/model';

// The built-in ones, to build on.
export {
  biasSlot,
  describeLlamaDecoder,
  LLAMA_FIELDS,
  ROPE_FIELDS,
  ropeFromConfig,
  type LlamaVariant,
} from '@esparse/model';
export {
  amplitude,
  amplitudeOf,
  channelAmplitude,
  channelEntropy,
  entropy,
  entropyOf,
} from '@esparse/statistics';
export {
  both,
  eSparse,
  eSparseOptions,
  global,
  local,
  lsa,
  magnitude,
  none,
  ria,
  riaOptions,
  SHUFFLES,
  shuffleOption,
  wanda,
  type ShuffleName,
} from '@esparse/sparsity';
export { reconstruct, reconstructOptions, sparseGptOptions, sparseGptStage } from '@esparse/reconstruction';
export {
  eSparsePipeline,
  eSparseReconstructPipeline,
  magnitudePipeline,
  PIPELINES,
  riaLsaPipeline,
  riaPipeline,
  sparseGptPipeline,
  wandaLsaPipeline,
  wandaPipeline,
} from '@esparse/pipelines';

// What their work is made of.
export {
  canonicalOrder,
  formatPattern,
  identityOrder,
  isPermutation,
  maskLinear,
  parsePattern,
  type Pattern,
} from '@esparse/sparsity';
export { keptScore, narrow, scoreByChannel, widen, type HalfDtype } from '@esparse/kernels';
