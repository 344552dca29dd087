export { formatPattern, parsePattern, requireDivisible, type Pattern } from './pattern.ts';
export type { BlockShape, HeldCost, LinearShape } from './cost.ts';
export type { BlockCost, BlockStageShape } from './block-cost.ts';
export type { Plugin, PluginContext, PluginDefinition, PluginFactory } from './plugin.ts';
export {
  describeOptions,
  type Json,
  type JsonObject,
  type NoOptions,
  type OptionDescription,
  type OptionsOf,
  type OptionsSchema,
} from './plugin-options.ts';
export {
  defineMetric,
  type ChannelInput,
  type Metric,
  type MetricDefinition,
  type MetricInput,
} from './metric.ts';
export {
  defineStage,
  type Stage,
  type StageContext,
  type StageDevice,
  type StageDefinition,
  type StageInput,
  type StageResult,
} from './stage.ts';
export {
  defineBlockStage,
  type BlockChains,
  type BlockLinear,
  type BlockOperation,
  type BlockReport,
  type BlockStage,
  type BlockStageContext,
  type BlockStageDefinition,
  type BlockStageInput,
  type BlockStageResult,
  type TunedResult,
  type BlockTensor,
  type SequenceStates,
} from './block-stage.ts';
export type { TuneRequest, TuneRounding } from './tune-request.ts';
export { commonOptions } from './common-options.ts';
export {
  configurePipeline,
  definePipeline,
  type ConfiguredPipeline,
  type DefinedPipeline,
  type Pipeline,
  type PipelineParts,
  type PipelineSource,
} from './pipeline.ts';
export { eSparse, eSparseOptions } from './metrics/e-sparse.ts';
export { magnitude } from './metrics/magnitude.ts';
export { ria, riaOptions } from './metrics/ria.ts';
export { wanda } from './metrics/wanda.ts';
export {
  defineShuffle,
  type DeviceScores,
  type InputHeads,
  type InputSpan,
  type ScoreMatrix,
  type Shuffle,
  type ShuffleContext,
  type ShuffleDefinition,
  type ShuffleResult,
} from './shuffle.ts';
export { both } from './shuffles/both.ts';
export { foldable } from './shuffles/foldable.ts';
export { global } from './shuffles/global.ts';
export { local } from './shuffles/local.ts';
export { lsa } from './shuffles/lsa.ts';
export { none } from './shuffles/none.ts';
export { SHUFFLES, shuffleOption, type ShuffleName } from './shuffles/by-name.ts';
export { canonicalOrder, identityOrder, isPermutation } from './permutation.ts';
export { maskLinear } from './mask-linear.ts';
export {
  maskOn,
  outputsOn,
  scoresOn,
  weightsOn,
  type DeviceMask,
  type DeviceWeights,
} from './device-linear.ts';
export { packLinear, type DenseLinear } from './pack-linear.ts';
export { repackLinear } from './repack-linear.ts';
export {
  checkPackedLinear,
  packedShapes,
  type PackedEncoding,
  type PackedLinear,
  type PackedShapes,
} from './packed-linear.ts';
export {
  encodingNamed,
  encodingOf,
  isPacked,
  ownPositions,
  registerEncoding,
  unpackToHalf,
  type AnyEncoding,
  type StoredAttributes,
  type StoredLinear,
} from './encodings/index.ts';
export {
  commonAttributes,
  PERMUTATION,
  type EncodedArray,
  type EncodedData,
  type EncodedLinear,
  type Encoding,
  type EncodingAttributes,
} from './encodings/encoding.ts';
export {
  defineEncoding,
  type EncodingDefinition,
  type OwnEncoding,
  type SurvivorRows,
  type SurvivorShape,
} from './encodings/define-encoding.ts';
export {
  decodeLinear,
  encodeLinear,
  ownArrays,
  survivorShape,
  type OwnLinear,
} from './encodings/own-linear.ts';
export type { IntegerWeights, RoundingOptions, Survivors } from './quantization/integer-weights.ts';
export { EVERYTHING, SCALE_GROUP } from './quantization/integer-weights.ts';
export { roundLinear, survives } from './quantization/round-linear.ts';
export { bf16Bits, integerFor, scaleFor } from './quantization/round-span.ts';
export { integerOptions, roundingFor } from './quantization/rounding-options.ts';
export { survivorsOf } from './quantization/survivors-of.ts';
export {
  faultOf,
  roundingDamage,
  roundingFault,
  type RoundingDamage,
} from './quantization/rounding-fault.ts';
export { fitsBlocks, integerBlocks, type IntegerBlocks } from './quantization/integer-blocks.ts';
export { packedIndicesAt, packedIndicesOf } from './quantization/packed-indices.ts';
export { packQuantized } from './quantization/pack-quantized.ts';
export {
  keepsEverything,
  QUANTIZED,
  quantizedShapes,
  type QuantizedLinear,
  type QuantizedShapes,
} from './quantization/quantized-linear.ts';
export { keptInQuantized, unpackQuantized } from './quantization/unpack-quantized.ts';
export { keptIn, unpackLinear, unpackToF32 } from './unpack-linear.ts';
