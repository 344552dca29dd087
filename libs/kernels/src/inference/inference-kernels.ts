import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import type { attentionReference } from './attention.ts';
import type {
  addReference,
  clampedSwigluReference,
  gatedGeluReference,
  gatedSiluReference,
  geluReference,
  reluReference,
  scaleReference,
} from './elementwise.ts';
import type { gatherRowsReference } from './gather-rows.ts';
import { chooseInstructionSet, type InstructionSet } from './instruction-set.ts';
import type { layerNormReference } from './layer-norm.ts';
import type { Linear, LinearWeights } from './linear.ts';
import { nativeOperations } from './native-operations.ts';
import type { readMemoryReference } from './read-bandwidth.ts';
import { REFERENCE_OPERATIONS } from './reference-operations.ts';
import type { rmsNormReference } from './rms-norm.ts';
import type { ropeReference } from './rope.ts';

export interface InferenceKernelsOptions {
  /** At most so many threads work on a call, the calling one included. @default the number of processors */
  readonly threads?: number | undefined;
  /**
   * What they run on; `reference` is TypeScript.
   *
   * @default what `ESPARSE_ISA` names, else the fastest that this build and processor have, else `reference`
   */
  readonly instructionSet?: InstructionSet | 'reference' | undefined;
}

/**
 * The kernels of inference with their threads and instruction set, which are their own: others in the process may have
 * others. All of them return when they are done, and give the same bits on any number of threads and any instruction set.
 */
export interface InferenceKernels extends InferenceOperations {
  readonly threads: number;
  readonly instructionSet: InstructionSet | 'reference';
}

/** Each has a readable version in TypeScript, which states what it takes: the same bits. */
export interface InferenceOperations {
  /**
   * A linear over arrays that it does not copy: they must not change, nor their memory be given back, as long as it is
   * used. The permutation is the exception.
   *
   * @throws EsparseError 'store' where the arrays do not fit the shape, the permutation is none, or the indices are not an
   * N:M choice: they may come from anywhere
   */
  readonly createLinear: (weights: LinearWeights) => Linear;
  /**
   * `y = x / sqrt(mean(x²) + epsilon) * weight` for each of the first `tokens` rows of x (tokens x channels), where
   * channels is the length of `weight`. A row's bits depend on that row alone.
   */
  readonly rmsNorm: typeof rmsNormReference;
  /**
   * `y = (x - mean) / sqrt(variance + epsilon) * weight + bias` for each of the first `tokens` rows of x (tokens x
   * channels), where channels is the length of `weight` and of `bias`; the variance is that of the whole row (divided by
   * channels). A row's bits depend on that row alone.
   */
  readonly layerNorm: typeof layerNormReference;
  /**
   * Rotary embedding of x (tokens x heads * headDim), half-split: in each head, channels j and j + rotated / 2 turn by the
   * angle of the token's own position; those from `rotated` on stay.
   */
  readonly rope: typeof ropeReference;
  /**
   * Causal attention over a paged cache: appends the keys and values of the tokens to their pages, then gives for each
   * token `softmax(scale · q Kᵀ) V` over its sequence up to itself, or over the last `window` positions of that; a sink of each head,
   * where given, takes part in the softmax and has no value. query, out (tokens x heads * headDim); key, value
   * (tokens x kvHeads * headDim); cache (pages x pageFloats).
   *
   * A token's bits depend on its sequence alone: not on the other tokens of the call, nor on how its sequence was cut into
   * calls. e^x is within 3e-7 relatively, see `expNegative`.
   */
  readonly attention: typeof attentionReference;
  /** `y = gate / (1 + e^-gate) * up` for the first `count` elements, within 1e-6 relatively. */
  readonly gatedSilu: typeof gatedSiluReference;
  /** `y = gelu(gate) * up` for the first `count` elements, see `gelu`. */
  readonly gatedGelu: typeof gatedGeluReference;
  /**
   * `y = (up + 1) gate / (1 + e^(-alpha gate))` for the first `count` elements, of a gate that is at most `limit` and an up
   * between `-limit` and `limit`.
   */
  readonly clampedSwiglu: typeof clampedSwigluReference;
  /**
   * `y = x / 2 (1 + tanh(√(2/π) (x + 0.044715 x³)))` for the first `count` elements, within 1e-6 of the largest: GELU
   * (arXiv 1606.08415) by its approximation with tanh.
   */
  readonly gelu: typeof geluReference;
  /** `y = factor x` for the first `count` elements; the factor is rounded to f32. */
  readonly scale: typeof scaleReference;
  /** `y = max(x, 0)` for the first `count` elements; NaN stays NaN. */
  readonly relu: typeof reluReference;
  /** `y = a + b` for the first `count` elements. */
  readonly add: typeof addReference;
  /** The rows named by the first `count` of `rows`, as f32, exact: y is (count x cols). */
  readonly gatherRows: typeof gatherRowsReference;
  /**
   * Seconds in which all threads together read an array once: what a product that reads its weights once is measured
   * against.
   */
  readonly readMemory: typeof readMemoryReference;
}

/** More threads than any machine gains from. */
const MAX_THREADS = 256;

/**
 * Kernels of inference on so many threads, with the instructions of one set.
 *
 * @throws EsparseError 'usage' where the threads are no whole number from 1 to 256, 'unsupported' where the instruction set
 * is not there
 */
export function openInferenceKernels(options: InferenceKernelsOptions = {}): InferenceKernels {
  const native = addon();
  const { threads = native?.processors() ?? 1 } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new EsparseError(
      'usage',
      `${threads} compute threads: a whole number from 1 to ${MAX_THREADS} was expected`,
    );
  }
  const instructionSet = chooseInstructionSet(options.instructionSet);
  const operations =
    native === null || instructionSet === 'reference'
      ? REFERENCE_OPERATIONS
      : nativeOperations(native, native.createCompute({ instructionSet, threads }));
  return { threads, instructionSet, ...operations };
}
