import { EsparseError } from '@esparse/errors';
import type { Addon } from '../addon.ts';
import { packedLayout, TILE_ROWS } from '../runtime/packed-layout.ts';
import { MAX_DIMENSION, MAX_GROUP } from '../runtime/shuffled-matrix.ts';
import type { HalfDtype } from '../runtime/widen.ts';
import {
  notScaled,
  quantizedLayout,
  VECTOR_BYTES,
  type QuantizedShape,
} from '../runtime/quantized-layout.ts';
import { damagedIndices } from './damaged-indices.ts';
import { denseReference, packedReference } from './linear-reference.ts';
import { quantizedReference } from './quantized-reference.ts';

/** The weights of an N:M linear as a store holds them: see `PackedLayout`. */
export interface PackedWeights {
  readonly kind: 'packed';
  readonly dtype: HalfDtype;
  /** Outputs. */
  readonly rows: number;
  /** Inputs. */
  readonly cols: number;
  readonly keep: number;
  readonly group: number;
  readonly values: Uint16Array;
  readonly indices: Uint8Array;
  /** The input at each position, where they are shuffled. */
  readonly permutation?: Int32Array | undefined;
  /** (rows) */
  readonly bias?: Float32Array | undefined;
}

/** The weights of a linear as small integers with scales: see `QuantizedLayout`. */
export interface QuantizedWeights extends QuantizedShape {
  readonly kind: 'quantized';
  readonly codes: Uint8Array;
  /** The bits of bf16. */
  readonly scales: Uint16Array;
  /** Where the survivors stand; undefined where nothing is pruned. */
  readonly indices?: Uint8Array | undefined;
  /** The input at each position, where they are shuffled. */
  readonly permutation?: Int32Array | undefined;
  /** (rows) */
  readonly bias?: Float32Array | undefined;
}

/** The weights of a linear that is not pruned, (rows, cols), row-major. */
export type DenseWeights = {
  readonly kind: 'dense';
  readonly rows: number;
  readonly cols: number;
  /** (rows) */
  readonly bias?: Float32Array | undefined;
} & (
  | { readonly dtype: HalfDtype; readonly weights: Uint16Array }
  | { readonly dtype: 'f32'; readonly weights: Float32Array }
);

/** The weights of a linear, pruned or not, told apart by `kind`. */
export type LinearWeights = PackedWeights | QuantizedWeights | DenseWeights;

/** A linear that can be applied. */
export interface Linear {
  readonly rows: number;
  readonly cols: number;
  /**
   * y = x Wᵀ (+ bias): from x (tokens, cols) to y (tokens, rows), row-major f32. Returns when it is done; all threads
   * of the kernels that made it work on it.
   *
   * A token's outputs have the same bits whatever other tokens are in the call, on any number of threads and any
   * instruction set: see `linear-reference.ts` and `quantized-reference.ts` for the sums. (Of a NaN, only that it is one.)
   */
  apply(x: Float32Array, tokens: number, y: Float32Array): void;
  /** The same while this thread goes on. The arrays are not to be changed meanwhile. */
  applyLater(x: Float32Array, tokens: number, y: Float32Array): Promise<void>;
}

/** A linear of the readable version. */
export type ReferenceLinear = Omit<Linear, 'applyLater'>;

/** The readable version of `InferenceKernels.createLinear`: the same bits. */
export function createReferenceLinear(weights: LinearWeights): Linear {
  checkWeights(weights);
  const linear = referenceOf(weights);
  return {
    ...linear,
    applyLater: (x, tokens, y) => {
      linear.apply(x, tokens, y);
      return Promise.resolve();
    },
  };
}

function referenceOf(weights: LinearWeights): ReferenceLinear {
  switch (weights.kind) {
    case 'packed':
      return packedReference(weights);
    case 'quantized':
      return quantizedReference(weights);
    case 'dense':
      return denseReference(weights);
  }
}

// The native side holds addresses only: as long as there is a handle, there are its arrays. (Neither a field of the linear
// nor a variable would do: optimized code lets go of them once it has the handle.)
const arraysOf = new WeakMap<object, LinearWeights>();

/**
 * As `InferenceKernels.createLinear`.
 *
 * @param compute with what it is checked and applied: threads and instruction set, from `createCompute`
 */
export function createNativeLinear(native: Addon, compute: object, weights: LinearWeights): Linear {
  checkWeights(weights);
  const { rows, cols } = weights;
  const handle = createHandle(native, compute, weights);
  const { applyLinear, applyLinearLater } = native;
  arraysOf.set(handle, weights);
  return {
    rows,
    cols,
    apply(x: Float32Array, tokens: number, y: Float32Array): void {
      applyLinear({ linear: handle, x, tokens, y });
    },
    // What waits for it has the handle.
    async applyLater(x: Float32Array, tokens: number, y: Float32Array): Promise<void> {
      await applyLinearLater({ linear: handle, x, tokens, y });
    },
  };
}

function createHandle(native: Addon, compute: object, weights: LinearWeights): object {
  switch (weights.kind) {
    case 'packed':
      return createPacked(native, compute, weights);
    case 'quantized':
      return createQuantized(native, compute, weights);
    case 'dense':
      return native.createDenseLinear({ compute, ...weights, bias: weights.bias ?? null });
  }
}

function createQuantized(native: Addon, compute: object, weights: QuantizedWeights): object {
  const { indices, permutation, bias } = weights;
  const { packed, groups } = quantizedLayout(weights);
  const made = native.createQuantizedLinear({
    compute,
    ...weights,
    indexBits: packed?.bits ?? 0,
    indices: indices ?? null,
    permutation: permutation ?? null,
    bias: bias ?? null,
  });
  if (typeof made !== 'number') return made;
  throw damagedIndices(made, groups);
}

function createPacked(native: Addon, compute: object, weights: PackedWeights): object {
  const { rows, cols, keep, group, permutation, bias } = weights;
  const { bits, groups } = packedLayout(rows, cols, keep, group);
  const made = native.createPackedLinear({
    compute,
    ...weights,
    bits,
    permutation: permutation ?? null,
    bias: bias ?? null,
  });
  if (typeof made !== 'number') return made;
  throw damagedIndices(made, groups);
}

function checkWeights(weights: LinearWeights): void {
  checkShape(weights);
  if (weights.kind === 'packed') checkPacked(weights);
  else if (weights.kind === 'quantized') checkQuantized(weights);
  else checkLength('weights', weights.weights, weights.rows * weights.cols);
  if (weights.bias !== undefined) checkLength('bias', weights.bias, weights.rows);
}

function checkShape({ rows, cols }: LinearWeights): void {
  for (const [name, size] of Object.entries({ rows, cols })) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_DIMENSION) {
      throw refused(`${name} is ${size}: a whole number from 1 to ${MAX_DIMENSION} was expected`);
    }
  }
}

function checkPacked({ rows, cols, keep, group, values, indices, permutation }: PackedWeights): void {
  checkPattern(keep, group, cols);
  const { tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  checkLength('values', values, tiles * groups * groupValues);
  checkLength('indices', indices, tiles * groups * groupBytes);
  checkPermutation(permutation, cols);
}

function checkQuantized(weights: QuantizedWeights): void {
  const { cols, keep, group, codes, scales, indices = new Uint8Array(0), permutation } = weights;
  if (keep !== 1 || group !== 1) checkPattern(keep, group, cols);
  const layout = quantizedLayout(weights);
  const {
    tiles,
    vectors,
    spans,
    indices: [pieces, bytes],
  } = layout;
  checkLength('codes', codes, tiles * vectors * VECTOR_BYTES);
  checkLength('scales', scales, tiles * spans * TILE_ROWS);
  checkLength('indices', indices, tiles * pieces * bytes);
  checkPermutation(permutation, cols);
  const wrong = notScaled(layout, scales);
  if (wrong !== undefined)
    throw refused(`the scale of row ${wrong.row}, span ${wrong.span} is zero or not finite`);
}

function checkPattern(keep: number, group: number, cols: number): void {
  if (!Number.isInteger(group) || group > MAX_GROUP || !Number.isInteger(keep) || keep < 1 || keep >= group) {
    throw refused(`${keep}:${group} is no pattern: 1 <= keep < group <= ${MAX_GROUP}`);
  }
  if (cols % group !== 0) throw refused(`${cols} inputs are not a multiple of the group of ${group}`);
}

function checkPermutation(permutation: Int32Array | undefined, cols: number): void {
  if (permutation === undefined) return;
  checkLength('permutation', permutation, cols);
  const seen = new Uint8Array(cols);
  for (let i = 0; i < cols; i++) {
    const channel = permutation[i]!;
    if (channel < 0 || channel >= cols || seen[channel] === 1) {
      throw refused(`the permutation names input ${channel} at position ${i}: out of range or twice`);
    }
    seen[channel] = 1;
  }
}

function checkLength(name: string, { length }: { readonly length: number }, expected: number): void {
  if (length !== expected) throw refused(`${name} has ${length} elements where ${expected} were expected`);
}

function refused(message: string): EsparseError {
  return new EsparseError('store', `weights of a linear: ${message}`);
}
