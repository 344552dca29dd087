export { addon } from './addon.ts';
export {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
  amplitudeUpdateReference,
} from './amplitude.ts';
export {
  addExactly,
  addExactlyReference,
  EXACT_SUM_DIGITS,
  EXACT_SUM_LIMIT,
  EXACT_SUM_MAX_ADDENDS,
  EXACT_SUM_PART,
} from './exact-sums.ts';
export { entropyCount, entropyFinish, entropyMerge, entropyUpdate } from './entropy.ts';
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
} from './entropy-state.ts';
export {
  entropyCountReference,
  entropyFinishReference,
  entropyMergeReference,
  entropyUpdateReference,
} from './entropy-reference.ts';
export { free } from './free.ts';
export { groupDescent, type GroupDescentProblem } from './group-descent.ts';
export { groupDescentReference } from './group-descent-reference.ts';
export { setPruningThreads } from './pruning-threads.ts';
export { narrow } from './narrow.ts';
export { widen, widenReference, type HalfDtype } from './widen.ts';
export { channelMeans, channelMeansReference, scoreByChannel, scoreByChannelReference } from './score.ts';
export { keptScore, keptScoreReference } from './kept-score.ts';
export { MAX_BLOCK, swapSearch, type SwapSearchResult } from './swap-search.ts';
export { slotGains, slotGainsReference } from './slot-gains.ts';
export { assign, assignReference } from './assignment.ts';
export {
  SPARSE_GPT_CHANNELS,
  sparseGptSweep,
  sparseGptSweepReference,
  type SparseGptBlock,
  type SparseGptSwept,
} from './sparse-gpt.ts';
export { maskOf, maskOfReference, maskRowBytes } from './mask.ts';
export { MAX_DIMENSION, MAX_GROUP } from './shuffled-matrix.ts';
export { packedLayout, TILE_ROWS, type PackedLayout } from './packed-layout.ts';
export { pack, unpack, unpackToF32, type PackedArrays } from './pack.ts';
export {
  attention,
  attentionReference,
  pageFloats,
  PAGE_TOKENS,
  type AttentionShape,
  type TokenPlaces,
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
export { mapFile } from './inference/map-file.ts';
export { readBandwidth, readMemory } from './inference/read-bandwidth.ts';
