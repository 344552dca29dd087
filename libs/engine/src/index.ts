/**
 * Runs models straight from a store or a checkpoint: engines over backends (the processor is one), sampling, and a scheduler that
 * batches the texts of many clients.
 */
export type {
  Backend,
  BackendModel,
  BackendOptions,
  BatchPart,
  BatchSequence,
  DeviceFacts,
  DeviceUsage,
  SampledToken,
  SamplingFailure,
  StepOutput,
  StepOutputs,
  StoredModel,
  Want,
  WeightBytes,
} from './backends/backend.ts';
export { registerBackend } from './backends/registry.ts';
export { createEngine, type Engine, type EngineModel, type StepPart, type StepResults } from './engine.ts';
export { generate, type GenerateOptions } from './generate.ts';
export { createReplicas } from './replicas.ts';
export { openEngine, type EngineOptions } from './open-engine.ts';
export type { Sequence } from './paging/sequence.ts';
export { argmax } from './sampling/argmax.ts';
export type { Candidates } from './sampling/candidates.ts';
export { logSumExp, logSumExps, topLogprobs, type TopLogprobs } from './sampling/log-probabilities.ts';
export { isWithin, rangeInWords } from './sampling/number-field.ts';
export { SAMPLING_OPTIONS, type SamplingParams } from './sampling/params.ts';
export { sampleToken } from './sampling/sample-token.ts';
export { createSampler, type Sampler } from './sampling/sampler.ts';
export type {
  LogitsProcessor,
  NumberField,
  SamplingOption,
  SamplingStage,
  TokenHistory,
} from './sampling/sampling-option.ts';
export { createAdmission, type Admission, type Slot } from './scheduler/admission.ts';
export type { FinishReason, Job, JobEvent } from './scheduler/job.ts';
export {
  Scheduler,
  type SchedulerEngine,
  type SchedulerLimits,
  type StepResult,
} from './scheduler/scheduler.ts';
export { isCopied } from './stored-model.ts';
export type { VerifyMode } from './verify-mode.ts';
export type { ArrayGroup, FilePlace, ModelArrays } from './weights/model-arrays.ts';
