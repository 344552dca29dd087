export { formatPattern, isPattern, parsePattern, requireDivisible, type Pattern } from './pattern.ts';
export type { Metric, MetricInput } from './metric.ts';
export type { Stage, StageContext, StageInput, StageResult } from './stage.ts';
export { eSparse, type ESparseNeeds, type ESparseOptions } from './metrics/e-sparse.ts';
export { magnitude } from './metrics/magnitude.ts';
export { ria, type RiaNeeds, type RiaOptions } from './metrics/ria.ts';
export { wanda, type WandaNeeds } from './metrics/wanda.ts';
export type { ScoreMatrix, Shuffle, ShuffleResult } from './shuffle.ts';
export { both } from './shuffles/both.ts';
export { global } from './shuffles/global.ts';
export { local } from './shuffles/local.ts';
export { lsa } from './shuffles/lsa.ts';
export { none } from './shuffles/none.ts';
export { canonicalOrder, identityOrder, isPermutation } from './permutation.ts';
export { maskLinear } from './mask-linear.ts';
export { packLinear, type DenseLinear } from './pack-linear.ts';
export {
  checkPackedLinear,
  packedShapes,
  type PackedEncoding,
  type PackedLinear,
  type PackedShapes,
} from './packed-linear.ts';
export { unpackLinear, unpackToF32 } from './unpack-linear.ts';
