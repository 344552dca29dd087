import type { KernelsOf, Signature } from '../runtime/kernel.ts';

/** A state of the entropy statistic: see `EntropyHistograms`. */
const HISTOGRAMS = {
  ranges: 'f32',
  zeros: 'u32',
  bins: 'u32',
  pending: 'f32',
  waiting: 'size',
  counted: 'size',
} as const;

/** Columns in a shuffled order, and what is kept of them. */
const SHUFFLED = { rows: 'size', cols: 'size', permutation: 'i32', keep: 'size', group: 'size' } as const;

/** Weights in the packed layout. */
const PACKED = { ...SHUFFLED, bits: 'size', values: 'u16', indices: 'u8' } as const;

/** The kernels of pruning, as `native/pruning` states them too: a test compares the two. They run on the job threads. */
export const PRUNING_SIGNATURES = {
  amplitudeUpdate: { state: 'f64', tile: 'f32', rows: 'size', channels: 'size' },
  addExactly: { sums: 'f64', addends: 'f32', count: 'size' },
  entropyUpdate: { ...HISTOGRAMS, tile: 'f32', rows: 'size' },
  entropyMerge: {
    ...HISTOGRAMS,
    fromRanges: 'f32',
    fromZeros: 'u32',
    fromBins: 'u32',
    fromPending: 'f32',
    fromWaiting: 'size',
    fromCounted: 'size',
  },
  entropyCount: HISTOGRAMS,
  entropyFinish: { ...HISTOGRAMS, bounds: 'f32', tokens: 'number', intervals: 'size', out: 'f32' },
  entropyEncode: HISTOGRAMS,
  entropyDecode: { ...HISTOGRAMS, bytes: 'u8' },
  scoreByChannel: {
    dtype: 'dtype',
    weights: 'u16',
    rows: 'size',
    cols: 'size',
    importance: 'f32',
    out: 'f32',
  },
  channelMeans: { scores: 'f32', rows: 'size', cols: 'size', out: 'f64' },
  checkScores: { scores: 'f32' },
  checkHalves: { dtype: 'dtype', halves: 'u16' },
  checkBytes: { bytes: 'u8', sound: 'u8' },
  keptScore: { scores: 'f32', ...SHUFFLED },
  groupDescent: {
    rows: 'size',
    width: 'size',
    keep: 'size',
    group: 'size',
    places: 'i32',
    inverses: 'f64',
    hessian: 'f32',
    weights: 'f32',
    gradient: 'f32',
  },
  swapSearch: {
    scores: 'f32',
    ...SHUFFLED,
    blockSize: 'size',
    tolerance: 'number',
    maxSwaps: 'size',
    out: 'i32',
    cancel: 'cancel',
  },
  slotGains: { scores: 'f32', ...SHUFFLED, slots: 'i32', out: 'f32', cancel: 'cancel' },
  assign: { values: 'f32', size: 'size', out: 'i32', cancel: 'cancel' },
  maskOf: { scores: 'f32', ...SHUFFLED, out: 'u8' },
  sparseGptSweep: {
    weights: 'f32',
    channels: 'size',
    rows: 'size',
    factor: 'f32',
    keep: 'size',
    group: 'size',
    errors: 'f32',
    kept: 'u8',
  },
  spreadMask: { mask: 'u8', rows: 'size', cols: 'size', permutation: 'i32', out: 'f32' },
  magnitudes: { from: 'f32', to: 'f32' },
  areWhole: { values: 'f64' },
  sumsToMatrix: {
    sums: 'f64',
    rows: 'size',
    cols: 'size',
    part: 'number',
    transposed: 'size',
    out: 'f32',
  },
  pack: { weights: 'u16', mask: 'u8', ...PACKED },
  unpack: { dtype: 'dtype', out: 'u16|f32', ...PACKED },
} as const satisfies Readonly<Record<string, Signature>>;

export type PruningKernels = KernelsOf<
  typeof PRUNING_SIGNATURES,
  {
    /** -1, or the first channel whose sum is out of range. */
    amplitudeUpdate: Promise<number>;
    addExactly: Promise<void>;
    /** -1, or the first channel that holds NaN or infinity. */
    entropyUpdate: Promise<number>;
    entropyMerge: Promise<void>;
    entropyCount: undefined;
    entropyFinish: Promise<void>;
    entropyEncode: Uint8Array;
    /** Whether data could have led to the bytes. */
    entropyDecode: boolean;
    /** Whether all scores are finite. */
    scoreByChannel: Promise<boolean>;
    channelMeans: Promise<void>;
    /** Whether all are finite numbers from 0. */
    checkScores: Promise<boolean>;
    /** Whether all are finite. */
    checkHalves: Promise<boolean>;
    /** Whether all are sound. */
    checkBytes: Promise<boolean>;
    keptScore: Promise<number>;
    groupDescent: Promise<void>;
    /** The swaps made. */
    swapSearch: Promise<number>;
    slotGains: Promise<void>;
    assign: Promise<void>;
    maskOf: Promise<void>;
    sparseGptSweep: Promise<void>;
    spreadMask: Promise<void>;
    magnitudes: Promise<void>;
    /** Whether all are whole numbers. */
    areWhole: Promise<boolean>;
    sumsToMatrix: Promise<void>;
    /** -1, or the first tile * groups + group whose mask does not keep N of M. */
    pack: Promise<number>;
    /** -1, or the first tile * groups + group that `pack` cannot have written. */
    unpack: Promise<number>;
  }
>;
