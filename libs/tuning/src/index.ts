export type {
  OpenTuningBackend,
  PlacedPart,
  TuneStep,
  TuningBackend,
  TuningBackendOptions,
} from './backend.ts';
export { cudaTuning, openCudaBlock } from './cuda/cuda-block.ts';
export { cudaModelTuning, modelSlot, openCudaModel } from './cuda/cuda-model.ts';
export { readModelHead, type ModelHead } from './cuda/model-head.ts';
export { onnxTuning } from './onnx-backend.ts';
export { tune, tuneOptions } from './tune.ts';
export type { IntegerRounding } from './round-through.ts';
export { TUNING_MEMORY, TUNING_PIECE_BYTES, tuningMemory } from './tuning-memory.ts';
export {
  tuneBlock,
  type TuneBlockOptions,
  type TunedBlock,
  type TunedParameter,
  type TuneProgress,
  type TuneReport,
} from './tune-block.ts';
export { TUNE_DEFAULTS, TUNE_LIMITS, type TuneOptions } from './tune-options.ts';
