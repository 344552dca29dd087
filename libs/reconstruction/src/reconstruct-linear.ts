import { magnitudes, narrow, spreadMask, widen } from '@esparse/kernels';
import { maskLinear, type StageInput } from '@esparse/sparsity';
import type { MatrixProducts } from '@esparse/onnx';
import { refineMask } from './refine-mask.ts';
import { solveSurvivors } from './survivors.ts';
import type { Hessian, TapMatrix } from './tap-matrix.ts';

/** A linear as it is stored, whose survivors, and masks, are to reproduce its output. */
export interface ReconstructProblem extends Pick<
  StageInput,
  'rows' | 'cols' | 'dtype' | 'weights' | 'mask' | 'permutation' | 'pattern'
> {
  /** H = Xᵀ X of the inputs. */
  readonly hessian: Hessian;
  /** What the dense model's inputs add to the right-hand side: see `driftStatistic`. */
  readonly drift: TapMatrix | undefined;
  /** Share of the dense model's own inputs in the target. */
  readonly dense: number;
  /** λ: see `solveSurvivors`. */
  readonly damping: number;
}

/** How it is done. */
export interface ReconstructOptions {
  /** Steps of a solution at most. */
  readonly steps: number;
  /** Times that masks are chosen anew; none keeps the mask. */
  readonly sweeps: number;
  readonly signal?: AbortSignal | undefined;
  readonly progress: (done: number, total: number) => void;
}

/** What a linear becomes: weights as bits of its dtype, and a mask of the same pattern where that is another. */
export interface Reconstructed {
  readonly weights: Uint16Array;
  readonly mask?: Uint8Array;
}

/** Solve, choose, solve again. */
const STEPS = 3;

/**
 * Solves for the survivors, chooses their masks anew, and solves for those of the new masks.
 *
 * @throws EsparseError 'numeric' where H is not positive
 */
export async function reconstructLinear(
  { rows, cols, dtype, weights: bits, hessian, drift, dense, damping, ...input }: ReconstructProblem,
  products: MatrixProducts,
  { steps, sweeps, signal, progress }: ReconstructOptions,
): Promise<Reconstructed> {
  const { pattern, permutation } = input;
  const weights = await widen(dtype, bits);
  const shift = drift && (await shiftOf(weights, rows, drift, dense));
  const problem = { rows, cols, weights, hessian, damping, shift };
  const solve = async (mask: Uint8Array, start: Float32Array) => {
    const kept = await spreadMask(mask, rows, cols, permutation);
    return solveSurvivors({ ...problem, kept }, { start, steps, signal });
  };
  const solved = await solve(input.mask, weights);
  progress(1, STEPS);
  const choice = { ...problem, pattern, permutation };
  const refined = sweeps > 0 && (await refineMask(choice, solved, products, { sweeps, signal }));
  if (!refined) return { weights: narrow(dtype, solved) };
  progress(2, STEPS);
  const mask = await maskLinear({ scores: await magnitudes(solved), rows, cols }, permutation, pattern);
  const refitted = narrow(dtype, await solve(mask, solved));
  progress(STEPS, STEPS);
  return { weights: refitted, mask };
}

/** What a share of the dense model's inputs adds to the right-hand side: (rows, cols). */
async function shiftOf(
  weights: Float32Array,
  rows: number,
  drift: TapMatrix,
  share: number,
): Promise<Float32Array> {
  const shift = new Float32Array(weights.length);
  await drift.multiply(weights, rows, shift);
  for (let i = 0; i < shift.length; i++) shift[i] = share * shift[i]!;
  return shift;
}
