/** A decoder on an NVIDIA GPU, its linears in 2:4: the kernels, and the addon that runs them through the driver. */
export {
  CudaDecoder,
  DECODER_LINEARS,
  LEFT_TO_HOST,
  MAX_ROWS,
  NOT_NUMBERS,
  PAGE_POSITIONS,
  type BlockParts,
  type ExpertBiases,
  type GpuFacts,
  type GpuUsage,
  type OuterWeights,
  type PartVectors,
  type PromptPart,
  type RunInputs,
  type RunWants,
  type StoredLinear,
} from './decoder.ts';
export {
  deviceEncoding,
  encodingBits,
  packedBytes,
  requireRunnable,
  type DeviceBits,
  type DeviceEncoding,
} from './limits.ts';
export {
  deviceHeadDim,
  type DecoderActivation,
  type DecoderHeadNorm,
  type DecoderMixture,
  type DecoderNorm,
  type DecoderShape,
} from './shape.ts';
/** Plain arithmetic on an NVIDIA GPU, and the blocks of a model run by it. */
export {
  arithmeticId,
  CudaArithmetic,
  gpuCount,
  type ArithmeticFacts,
  type Gpu,
  type HeldForSpeed,
  type KernelModule,
  type Launch,
  type Product,
} from './arithmetic.ts';
export { createCudaBlockRunner, type CudaBlockRunnerOptions } from './blocks/block-runner.ts';
export { CONTEXT_BYTES, gpuMemory, type GpuWorkload } from './blocks/gpu-memory.ts';
export { requireBlocksRun } from './blocks/require-runnable.ts';
export {
  choiceBytes,
  hasPenalties,
  MAX_REPORTED,
  MAX_SAMPLED_VOCAB,
  readReport,
  type TokenChoice,
  type TokenReport,
} from './choices.ts';
export type { DeviceArgument, DeviceMemory } from '@esparse/statistics';
