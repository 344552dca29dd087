/** Runs a pruned model straight from a store: mapped weights, a paged key-value cache, batched steps. */
export type { WeightBytes } from './backends/cpu/model-weights.ts';
export type { Engine, StepPart } from './engine.ts';
export { generate, type GenerateOptions } from './generate.ts';
export { openEngine, type EngineOptions } from './open-engine.ts';
export type { Sequence } from './paging/sequence.ts';
export { argmax } from './sampling/argmax.ts';
export { logSumExp, topLogprobs, type TopLogprobs } from './sampling/log-probabilities.ts';
export { createSampler, type Sampler, type SamplerOptions } from './sampling/sampler.ts';
export { createAdmission, type Admission, type Slot } from './scheduler/admission.ts';
export type { FinishReason, Job, JobEvent, Sampling } from './scheduler/job.ts';
export { Scheduler, type SchedulerLimits, type StepResult } from './scheduler/scheduler.ts';
