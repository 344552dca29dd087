export {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
} from './pruning/amplitude.ts';
export {
  addExactly,
  EXACT_SUM_DIGITS,
  EXACT_SUM_LIMIT,
  EXACT_SUM_MAX_ADDENDS,
  EXACT_SUM_PART,
} from './pruning/exact-sums.ts';
export { entropyMasses } from './pruning/entropy-masses.ts';
export {
  entropyCount,
  entropyDecode,
  entropyEncode,
  entropyFinish,
  entropyMerge,
  entropyUpdate,
} from './pruning/entropy.ts';
export {
  ENTROPY_MAX_BINS,
  ENTROPY_MAX_ROWS,
  ENTROPY_MAX_TOKENS,
  ENTROPY_PENDING_ROWS,
  ENTROPY_WORDS,
  ENTROPY_ZERO_SLOT,
  entropyHistograms,
  entropyBins,
  type EntropyHistograms,
} from './pruning/entropy-state.ts';
export { crc32c } from './runtime/crc32c.ts';
export { free } from './runtime/free.ts';
export { lend, LENT_BYTES } from './runtime/lend.ts';
export { inHugePages } from './runtime/huge-pages.ts';
export { logSumExp } from './runtime/log-sum-exp.ts';
export { groupDescent } from './pruning/group-descent.ts';
export { setPruningThreads } from './pruning/pruning-threads.ts';
export { narrow } from './runtime/narrow.ts';
export { roundTo } from './runtime/round-to.ts';
export { widen, widenReference, type HalfDtype } from './runtime/widen.ts';
export { channelMeans, findUnsound, scoreByChannel } from './pruning/score.ts';
export { keptScore } from './pruning/kept-score.ts';
export { areAmong, findInfinite } from './pruning/sound.ts';
export {
  MAX_BLOCK,
  MAX_SWAPS_PER_CHANNEL,
  SWAP_TOLERANCE,
  swapSearch,
  type SwapSearch,
} from './pruning/swap-search.ts';
export { slotGains } from './pruning/slot-gains.ts';
export { assign } from './pruning/assignment.ts';
export { SPARSE_GPT_CHANNELS, sparseGptSweep } from './pruning/sparse-gpt.ts';
export { areWhole, magnitudes, spreadMask, sumsToMatrix } from './pruning/solving.ts';
export { maskOf } from './pruning/mask.ts';
export { MAX_DIMENSION, MAX_GROUP } from './runtime/shuffled-matrix.ts';
export { packedLayout, TILE_ROWS } from './runtime/packed-layout.ts';
export { indicesOf, placesOf } from './inference/quantized-places.ts';
export {
  isScale,
  notScaled,
  numberAt,
  putNumber,
  quantizedLayout,
  scaleAt,
  spanOf,
  VECTOR_BYTES,
  type QuantizedBits,
  type QuantizedLayout,
  type QuantizedShape,
} from './runtime/quantized-layout.ts';
export { pack, unpack, unpackToF32 } from './pruning/pack.ts';
export { pageFloats, PAGE_TOKENS, type BatchLayout } from './inference/attention.ts';
export type { RowTable, Table } from './inference/gather-rows.ts';
export { openInferenceKernels, type InferenceKernels } from './inference/inference-kernels.ts';
export type {
  DenseWeights,
  Linear,
  LinearWeights,
  PackedWeights,
  QuantizedWeights,
} from './inference/linear.ts';
export { mapFile, type FileRange } from './runtime/map-file.ts';
export { readBandwidth } from './inference/read-bandwidth.ts';
