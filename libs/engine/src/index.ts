/** Runs a pruned model straight from a store: mapped weights, a paged key-value cache, batched steps. */
export type { Engine, StepPart } from './engine.ts';
export { generate, type GenerateOptions } from './generate.ts';
export { likeliest } from './likeliest.ts';
export { logSumExp, topLogprobs, type TopLogprobs } from './log-probabilities.ts';
export type { WeightBytes } from './model-weights.ts';
export { openEngine, type EngineOptions } from './open-engine.ts';
export { createSampler, type Sampler, type SamplerOptions } from './sampler.ts';
export type { Sequence } from './sequence.ts';
