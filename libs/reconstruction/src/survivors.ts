import type { Hessian } from './tap-matrix.ts';
import { notPositive } from './not-positive.ts';

/** Rows of a linear whose survivors are to be solved for. Matrices are row-major. */
export interface SurvivorsProblem {
  readonly rows: number;
  readonly cols: number;
  /** (rows, cols): the dense weights, whose output is the target. */
  readonly weights: Float32Array;
  /** (rows, cols): 1 where a weight survives, else 0. */
  readonly kept: Float32Array;
  /** H = Xᵀ X of the inputs, symmetric. */
  readonly hessian: Pick<Hessian, 'diagonal' | 'multiply'>;
  /** λ, added to the diagonal of H: keeps weights near the dense ones where inputs hardly vary. */
  readonly damping: number;
  /**
   * (rows, cols): what is added to the right-hand side, w (H + λI), where the target is not the dense row's output on the
   * same inputs. @default zeros
   */
  readonly shift?: Float32Array | undefined;
}

/** How `solveSurvivors` solves. */
export interface SurvivorsOptions {
  /** (rows, cols): where to begin; only the survivors count. @default the dense weights */
  readonly start?: Float32Array;
  /** Steps at most. @default 64 */
  readonly steps?: number;
  /** A row is solved when its residual has fallen to this part of the right-hand side. @default 1e-3 */
  readonly tolerance?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Rows that are solved together: bounds the memory to some ten such matrices, and keeps the products large. */
export const ROWS_AT_ONCE = 1024;

/**
 * The least-squares weights of the survivors: per row the ŵ that is zero outside S and makes
 * (ŵ - w) (H + λI) (ŵ - w)ᵀ least, ŵ_S = (H_SS + λI)⁻¹ (w (H + λI))_S. It best reproduces the output of the dense row on
 * the calibration inputs, and stays near the dense weights where these say little. With a shift s the right-hand side is
 * w (H + λI) + s: that of another target.
 *
 * Conjugate gradients with a diagonal preconditioner, for many rows at a time: a step is
 * one product with H, whatever survives in which row, where a direct solution factors a matrix for each row. Rows take
 * the steps that they need.
 *
 * @returns (rows, cols), zero where nothing survives
 * @throws EsparseError 'numeric' where H is not finite or not positive semidefinite
 */
export async function solveSurvivors(
  problem: SurvivorsProblem,
  options: SurvivorsOptions = {},
): Promise<Float32Array> {
  const { rows, cols } = problem;
  const out = new Float32Array(rows * cols);
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    const count = Math.min(ROWS_AT_ONCE, rows - first);
    const part = (matrix: Float32Array) => matrix.subarray(first * cols, (first + count) * cols);
    await solveRows(
      {
        ...problem,
        rows: count,
        weights: part(problem.weights),
        kept: part(problem.kept),
        shift: problem.shift && part(problem.shift),
      },
      { ...options, start: part(options.start ?? problem.weights) },
      part(out),
    );
  }
  return out;
}

/** (cols): one over the damped diagonal. @throws EsparseError 'numeric' where that is not positive */
export function preconditioner({
  cols,
  hessian,
  damping,
}: Pick<SurvivorsProblem, 'cols' | 'hessian' | 'damping'>): Float32Array {
  const scale = Float32Array.from({ length: cols }, (_, j) => 1 / (hessian.diagonal[j]! + damping));
  if (scale.some((value) => !(value > 0 && value < Infinity))) throw notPositive();
  return scale;
}

async function solveRows(
  { rows, cols, weights, kept, hessian, damping, shift }: SurvivorsProblem,
  { start, steps = 64, tolerance = 1e-3, signal }: SurvivorsOptions & { readonly start: Float32Array },
  solution: Float32Array,
): Promise<void> {
  const size = rows * cols;
  const scale = preconditioner({ cols, hessian, damping });
  const [residual, direction, image] = [
    new Float32Array(size),
    new Float32Array(size),
    new Float32Array(size),
  ];
  const energy = new Float64Array(rows);
  const goal = new Float64Array(rows);

  // residual = kept · ((w - ŵ) (H + λI) + shift), with ŵ = kept · start.
  for (let i = 0; i < size; i++) {
    solution[i] = kept[i]! * start[i]!;
    direction[i] = weights[i]! - solution[i]!;
  }
  await hessian.multiply(direction, rows, image);
  for (let i = 0; i < size; i++) {
    residual[i] = kept[i]! * (image[i]! + damping * direction[i]! + (shift?.[i] ?? 0));
  }
  for (let r = 0; r < rows; r++) {
    const at = r * cols;
    let sum = 0;
    let length = 0;
    for (let j = 0; j < cols; j++) {
      const value = residual[at + j]!;
      direction[at + j] = value * scale[j]!;
      sum += value * direction[at + j]!;
      length += (kept[at + j]! * weights[at + j]!) ** 2 / scale[j]!;
    }
    energy[r] = sum;
    // In the norm of the preconditioner, where channels of all scales count alike.
    goal[r] = tolerance ** 2 * length;
  }

  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    if (energy.every((value, r) => value <= goal[r]!)) return;
    await hessian.multiply(direction, rows, image);
    for (let r = 0; r < rows; r++) {
      const before = energy[r]!;
      if (before <= goal[r]!) continue;
      const at = r * cols;
      let curvature = 0;
      for (let j = 0; j < cols; j++) {
        const value = kept[at + j]! * (image[at + j]! + damping * direction[at + j]!);
        image[at + j] = value;
        curvature += value * direction[at + j]!;
      }
      if (!(curvature > 0 && curvature < Infinity)) throw notPositive();
      const length = before / curvature;
      let after = 0;
      for (let j = 0; j < cols; j++) {
        solution[at + j] = solution[at + j]! + length * direction[at + j]!;
        const value = residual[at + j]! - length * image[at + j]!;
        residual[at + j] = value;
        after += value * value * scale[j]!;
      }
      energy[r] = after;
      const beta = after / before;
      for (let j = 0; j < cols; j++) {
        direction[at + j] = residual[at + j]! * scale[j]! + beta * direction[at + j]!;
      }
    }
  }
}
