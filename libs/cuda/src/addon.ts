import { createRequire } from 'node:module';
import { EsparseError, isErrorKind, messageOf } from '@esparse/errors';
import type { Product } from './arithmetic.ts';
import type {
  BlockParts,
  ExpertBiases,
  GpuFacts,
  GpuUsage,
  OuterWeights,
  PromptPart,
  RunWants,
  StoredLinear,
} from './decoder.ts';
import type { nativeShape } from './shape.ts';

/** The tokens so far of each row that has penalties. */
export type Histories = readonly (Uint32Array | undefined)[];

/** What is wanted of the rows of a run. */
export interface NativeWants extends Omit<RunWants, 'choices'> {
  readonly samples: boolean;
  readonly penalties: boolean;
  readonly reports: boolean;
}

/** What `native/addon.cc` exports. */
export interface Addon {
  readonly CudaDecoder: new (ordinal: number) => NativeDecoder;
  readonly CudaArithmetic: new (ordinal: number) => NativeArithmetic;
  readonly gpuCount: () => number;
}

/** A decoder on one GPU; every call throws a `NativeFailure` where it fails. */
export interface NativeDecoder {
  facts(): GpuFacts;
  /** @returns whether there are kernels of prefill for it */
  begin(
    shape: ReturnType<typeof nativeShape>,
    maxPages: number,
    ptx: readonly [decoding: readonly string[], prefill: readonly string[]],
    weightBytes: number,
    promptTokens: number,
  ): boolean;
  /** `rotary`: so many tables, one after the other, cosine and sine by turns. */
  outer(
    weights: Omit<OuterWeights, 'rotary'> & { readonly rotary: Float32Array; readonly tables: number },
  ): void;
  block(index: number, parts: BlockParts, linears: readonly (StoredLinear | undefined)[]): void;
  expert(block: number, expert: number, linears: readonly StoredLinear[], biases: ExpertBiases): void;
  finish(cacheBytes: number): { readonly pages: number; readonly pageBytes: number };
  run(
    inputs: Int32Array,
    rows: number,
    wants: NativeWants,
    choices?: Uint8Array,
    histories?: Histories,
  ): void;
  prefill(parts: readonly PromptPart[]): void;
  head(rows: Int32Array, wants: NativeWants, choices?: Uint8Array, histories?: Histories): void;
  wait(): void;
  usage(): GpuUsage;
  chosen(row: number): number;
  report(row: number, out: Uint8Array): void;
  logits(row: number, out: Float32Array): void;
  close(): void;
}

/** Plain arithmetic on one GPU; every call throws a `NativeFailure` where it fails. Addresses are numbers. */
export interface NativeArithmetic {
  facts(): GpuFacts & { readonly heldBytes: number; readonly cublaslt: number };
  load(ptx: string): void;
  allocate(bytes: number): number;
  free(address: number): void;
  upload(to: number, from: ArrayBufferView): void;
  uploadLater(to: number, from: ArrayBufferView): Promise<void>;
  download(from: number, to: ArrayBufferView): void;
  downloadLater(from: number, to: ArrayBufferView): Promise<void>;
  downloadBeside(from: number, to: ArrayBufferView): Promise<void>;
  copy(to: number, from: number, bytes: number): void;
  copyFrom(to: number, other: NativeArithmetic, from: number, bytes: number): void;
  fill(to: number, byte: number, bytes: number): void;
  share(address: number): Uint8Array;
  openShared(handle: Uint8Array): number;
  closeShared(address: number): Promise<void>;
  launch(
    kernel: string,
    x: number,
    y: number,
    z: number,
    threads: number,
    shared: number,
    types: string,
    values: readonly number[],
  ): void;
  multiply(product: Product): void;
  beginRecording(): boolean;
  endRecording(): number;
  replay(recording: number): void;
  forget(recording: number): void;
  wait(): void;
  close(): void;
}

/** @throws EsparseError 'unsupported' where it was not built, or does not load */
export function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)('../build/Release/esparse_cuda.node') as Addon;
  } catch (error) {
    throw new EsparseError(
      'unsupported',
      `the addon for NVIDIA GPUs cannot be loaded: ${messageOf(error).split('\n')[0]}`,
      {
        hint: '`npm run native -w @esparse/cuda` builds it in a checkout, `npm rebuild @esparse/cuda` where it is installed; it is for Linux',
        cause: error,
      },
    );
  }
}

/** What the addon throws: an error with the fields of an esparse error. */
interface NativeFailure {
  readonly kind?: unknown;
  readonly hint?: unknown;
  readonly lost?: unknown;
}

/** Calls the addon; its errors become esparse's. `lost` devices are known by their context. */
export function calling<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw esparseErrorOf(error);
  }
}

/** The same of what the addon promises. */
export async function callingLater<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw esparseErrorOf(error);
  }
}

function esparseErrorOf(error: unknown): unknown {
  const { kind, hint, lost } = error as NativeFailure;
  if (typeof kind !== 'string' || !isErrorKind(kind)) return error;
  return new EsparseError(kind, messageOf(error), {
    hint: typeof hint === 'string' ? hint : undefined,
    context: lost === true ? { device: 'lost' } : undefined,
    cause: error,
  });
}
