export { addon } from './runtime/addon.ts';
export {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
  amplitudeUpdateReference,
} from './pruning/amplitude.ts';
export {
  addExactly,
  addExactlyReference,
  EXACT_SUM_DIGITS,
  EXACT_SUM_LIMIT,
  EXACT_SUM_MAX_ADDENDS,
  EXACT_SUM_PART,
} from './pruning/exact-sums.ts';
export { entropyCount, entropyFinish, entropyMerge, entropyUpdate } from './pruning/entropy.ts';
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
export {
  entropyCountReference,
  entropyFinishReference,
  entropyMergeReference,
  entropyUpdateReference,
} from './pruning/entropy-reference.ts';
export { free } from './runtime/free.ts';
export { groupDescent, type GroupDescentProblem } from './pruning/group-descent.ts';
export { groupDescentReference } from './pruning/group-descent-reference.ts';
export { setPruningThreads } from './pruning/pruning-threads.ts';
export { narrow } from './runtime/narrow.ts';
export { widen, widenReference, type HalfDtype } from './runtime/widen.ts';
export {
  channelMeans,
  channelMeansReference,
  scoreByChannel,
  scoreByChannelReference,
} from './pruning/score.ts';
export { keptScore, keptScoreReference } from './pruning/kept-score.ts';
export { MAX_BLOCK, swapSearch, type SwapSearchResult } from './pruning/swap-search.ts';
export { slotGains, slotGainsReference } from './pruning/slot-gains.ts';
export { assign, assignReference } from './pruning/assignment.ts';
export {
  SPARSE_GPT_CHANNELS,
  sparseGptSweep,
  sparseGptSweepReference,
  type SparseGptBlock,
  type SparseGptSwept,
} from './pruning/sparse-gpt.ts';
export { maskOf, maskOfReference, maskRowBytes } from './pruning/mask.ts';
export { MAX_DIMENSION, MAX_GROUP } from './runtime/shuffled-matrix.ts';
export { packedLayout, TILE_ROWS, type PackedLayout } from './runtime/packed-layout.ts';
export { pack, unpack, unpackToF32, type PackedArrays } from './pruning/pack.ts';
export {
  attention,
  attentionReference,
  pageFloats,
  PAGE_TOKENS,
  type AttentionShape,
  type BatchLayout,
} from './inference/attention.ts';
export {
  add,
  addReference,
  gatedSilu,
  gatedSiluReference,
  relu,
  reluReference,
} from './inference/elementwise.ts';
export { gatherRows, gatherRowsReference, type RowTable } from './inference/gather-rows.ts';
export { layerNorm, layerNormReference } from './inference/layer-norm.ts';
export { rmsNorm, rmsNormReference } from './inference/rms-norm.ts';
export { rope, ropeReference } from './inference/rope.ts';
export { computeThreads, setComputeThreads } from './inference/compute-threads.ts';
export { computeInstructionSet, instructionSets, type InstructionSet } from './inference/instruction-set.ts';
export {
  createLinear,
  type DenseWeights,
  type Linear,
  type LinearWeights,
  type PackedWeights,
} from './inference/linear.ts';
export { mapFile } from './runtime/map-file.ts';
export { readBandwidth, readMemory } from './inference/read-bandwidth.ts';
