import type { KernelsOf, Signature } from './kernel.ts';

/** The kernels that pruning and inference share, as `native/runtime` states them too: a test compares the two. */
export const RUNTIME_SIGNATURES = {
  widen: { dtype: 'dtype', from: 'u16', to: 'f32' },
  narrow: { dtype: 'dtype', from: 'f32', to: 'u16' },
  crc32c: { bytes: 'u8', before: 'size' },
  logSumExp: { logits: 'f32', rows: 'size', cols: 'size', out: 'f64' },
  setJobThreads: { threads: 'size' },
} as const satisfies Readonly<Record<string, Signature>>;

export type RuntimeKernels = KernelsOf<
  typeof RUNTIME_SIGNATURES,
  {
    widen: Promise<void>;
    narrow: undefined;
    crc32c: Promise<number>;
    logSumExp: Promise<void>;
    /** False where jobs run on another number of threads already. */
    setJobThreads: boolean;
  }
>;
