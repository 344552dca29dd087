import { createRequire } from 'node:module';
import { messageOf } from '@esparse/errors';

/** A state of the entropy statistic: see `EntropyHistograms`. */
type EntropyArguments = readonly [
  ranges: Float32Array,
  zeros: Uint32Array,
  bins: Uint32Array,
  pending: Float32Array,
  waiting: number,
  counted: number,
];

/** What `native/` exports. Every kernel is asynchronous and runs on the addon's own threads. */
export interface Addon {
  setThreads(threads: number): boolean;
  threads(): number;
  free(array: Float32Array | Uint8Array): void;
  hugePages(array: Float32Array | Uint32Array): void;
  widen(kind: 0 | 1, from: Uint16Array, to: Float32Array): Promise<void>;
  amplitudeUpdate(state: Float64Array, tile: Float32Array, rows: number, channels: number): Promise<number>;
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
  ): Promise<number>;
  maskOf(
    scores: Float32Array,
    rows: number,
    cols: number,
    permutation: Int32Array,
    keep: number,
    group: number,
    out: Uint8Array,
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
    loaded = createRequire(import.meta.url)('../build/Release/esparse_kernels.node') as Addon;
  } catch (error) {
    process.emitWarning(
      `the native kernels could not be loaded (${messageOf(error).split('\n')[0]}): using the TypeScript reference, ` +
        'many times slower. Run `npm run native -w @esparse/kernels` to build them.',
      { code: 'ESPARSE_KERNELS' },
    );
  }
  return loaded;
}
