import { createRequire } from 'node:module';
import { messageOf } from '@esparse/errors';
import type { SmallKernels } from '../inference/small-addon.ts';

/** A state of the entropy statistic: see `EntropyHistograms`. */
type EntropyArguments = readonly [
  ranges: Float32Array,
  zeros: Uint32Array,
  bins: Uint32Array,
  pending: Float32Array,
  waiting: number,
  counted: number,
];

/**
 * What `native/` exports. The kernels of pruning are asynchronous and run on the addon's own threads; those of inference
 * return when they are done.
 */
export interface Addon extends SmallKernels {
  setThreads(threads: number): boolean;
  threads(): number;
  free(array: Float32Array | Uint32Array | Uint16Array | Uint8Array): void;
  hugePages(array: Float32Array | Uint32Array): void;
  widen(kind: 0 | 1, from: Uint16Array, to: Float32Array): Promise<void>;
  amplitudeUpdate(state: Float64Array, tile: Float32Array, rows: number, channels: number): Promise<number>;
  addExactly(sums: Float64Array, addends: Float32Array, count: number): Promise<void>;
  entropyUpdate(
    ...args: [...EntropyArguments, tile: Float32Array, rows: number, channels: number]
  ): Promise<number>;
  entropyMerge(...args: [...EntropyArguments, ...EntropyArguments]): Promise<void>;
  entropyCount(...args: EntropyArguments): void;
  entropyFinish(
    ...args: [...EntropyArguments, bounds: Float32Array, tokens: number, intervals: number, out: Float32Array]
  ): Promise<void>;
  scoreByChannel(
    kind: 0 | 1,
    weights: Uint16Array,
    rows: number,
    cols: number,
    importance: Float32Array,
    out: Float32Array,
  ): Promise<boolean>;
  channelMeans(scores: Float32Array, rows: number, cols: number, out: Float64Array): Promise<void>;
  keptScore(
    scores: Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
  ): Promise<number>;
  groupDescent(
    rows: number,
    width: number,
    keep: number,
    group: number,
    places: Int32Array,
    inverses: Float64Array,
    hessian: Float32Array,
    weights: Float32Array,
    gradient: Float32Array,
  ): Promise<void>;
  swapSearch(
    scores: Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    blockSize: number,
    tolerance: number,
    maxSwaps: number,
    out: Int32Array,
    cancel: Int32Array,
  ): Promise<number>;
  slotGains(
    scores: Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    slots: Int32Array,
    out: Float32Array,
    cancel: Int32Array,
  ): Promise<void>;
  assign(values: Float32Array, size: number, out: Int32Array, cancel: Int32Array): Promise<void>;
  maskOf(
    scores: Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    out: Uint8Array,
  ): Promise<void>;
  sparseGptSweep(
    weights: Float32Array,
    channels: number,
    rows: number,
    factor: Float32Array,
    keep: number,
    group: number,
    errors: Float32Array,
    kept: Uint8Array,
  ): Promise<void>;
  pack(
    weights: Uint16Array,
    mask: Uint8Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    bits: number,
    values: Uint16Array,
    indices: Uint8Array,
  ): Promise<number>;
  unpack(
    kind: 0 | 1 | 2,
    out: Uint16Array | Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    bits: number,
    values: Uint16Array,
    indices: Uint8Array,
  ): Promise<number>;
  setComputeThreads(threads: number): void;
  computeThreads(): number;
  /** Those that this build and processor have, the fastest first. */
  instructionSets(): string[];
  /** Null where the file is empty; absent where the system has no memory maps. */
  mapFile?(path: string): Uint8Array | null;
  /** A handle, or the first tile * groups + group whose indices are wrong. The arrays must live as long as the handle. */
  createPackedLinear(
    instructionSet: string,
    f16: boolean,
    rows: number,
    cols: number,
    keep: number,
    group: number,
    bits: number,
    values: Uint16Array,
    indices: Uint8Array,
    permutation: Int32Array | null,
    bias: Float32Array | null,
  ): object | number;
  createDenseLinear(
    instructionSet: string,
    kind: number,
    rows: number,
    cols: number,
    weights: Uint16Array | Float32Array,
    bias: Float32Array | null,
  ): object;
  applyLinear(handle: object, x: Float32Array, tokens: number, y: Float32Array): void;
  /** Seconds that all compute threads took to read the array once. */
  readMemory(instructionSet: string, array: Float32Array): number;
}

let loaded: Addon | null | undefined;

/**
 * The native addon, or `null` where it could not be built or loaded, or where `ESPARSE_KERNELS=reference` asks
 * for the TypeScript reference kernels. Says so once, on standard error.
 */
export function addon(): Addon | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  if (process.env.ESPARSE_KERNELS === 'reference') return loaded;
  try {
    loaded = createRequire(import.meta.url)('../../build/Release/esparse_kernels.node') as Addon;
  } catch (error) {
    process.emitWarning(
      `the native kernels could not be loaded (${messageOf(error).split('\n')[0]}): using the TypeScript reference, ` +
        'many times slower. `npm run native -w @esparse/kernels` builds them in a checkout, ' +
        '`npm rebuild @esparse/kernels` (or `npm rebuild -g`) where it is installed.',
      { code: 'ESPARSE_KERNELS' },
    );
  }
  return loaded;
}
