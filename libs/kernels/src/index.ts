export { addon } from './addon.ts';
export {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
  amplitudeUpdateReference,
} from './amplitude.ts';
export { entropyCount, entropyFinish, entropyMerge, entropyUpdate } from './entropy.ts';
export {
  ENTROPY_MAX_BINS,
  ENTROPY_MAX_ROWS,
  ENTROPY_MAX_TOKENS,
  ENTROPY_PENDING_ROWS,
  ENTROPY_WORDS,
  ENTROPY_ZERO_SLOT,
  entropyHistograms,
  entropySlots,
  type EntropyHistograms,
} from './entropy-state.ts';
export {
  entropyCountReference,
  entropyFinishReference,
  entropyMergeReference,
  entropyUpdateReference,
} from './entropy-reference.ts';
export { free } from './free.ts';
export { widen, widenReference, type HalfDtype } from './widen.ts';
export { channelMeans, channelMeansReference, scoreByChannel, scoreByChannelReference } from './score.ts';
export { keptScore, keptScoreReference } from './kept-score.ts';
export { MAX_BLOCK, swapSearch, type SwapSearchResult } from './swap-search.ts';
export { maskOf, maskOfReference, maskRowBytes } from './mask.ts';
export { MAX_DIMENSION, MAX_GROUP } from './shuffled-matrix.ts';
export { packedLayout, TILE_ROWS, type PackedLayout } from './packed-layout.ts';
export { pack, unpack, unpackToF32, type PackedArrays } from './pack.ts';
