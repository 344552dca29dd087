import type { MatrixProducts } from '@esparse/onnx';
import {
  reconstructLinear,
  type Reconstructed,
  type ReconstructOptions,
  type ReconstructProblem,
} from './reconstruct-linear.ts';
import { refineMask, type MaskProblem, type RefineOptions } from './refine-mask.ts';
import {
  sparseGpt,
  type SparseGptProblem,
  type SparseGptSettings,
  type SparseGptSolution,
} from './sparse-gpt.ts';
import { solveSurvivors, type SurvivorsOptions, type SurvivorsProblem } from './survivors.ts';
import type { Hessian } from './tap-matrix.ts';

/** A problem with the whole matrix of a tap, wherever its parts lie. */
type WithMatrix<Problem> = Omit<Problem, 'hessian'> & { readonly hessian: Hessian };

/** What solves for the weights of a linear: the processor, or a GPU. Calls come one after another. */
export interface Solver {
  /** See `reconstructLinear`. */
  reconstruct(problem: ReconstructProblem, options: ReconstructOptions): Promise<Reconstructed>;
  /** See `solveSurvivors`. */
  survivors(problem: WithMatrix<SurvivorsProblem>, options?: SurvivorsOptions): Promise<Float32Array>;
  /** See `refineMask`. */
  refine(problem: WithMatrix<MaskProblem>, sparse: Float32Array, options: RefineOptions): Promise<boolean>;
  /** See `sparseGpt`. */
  sparseGpt(problem: WithMatrix<SparseGptProblem>, settings?: SparseGptSettings): Promise<SparseGptSolution>;
  release(): void;
}

/** The processor, whose products are ONNX Runtime's. They are not released with it. */
export function processorSolver(products: MatrixProducts): Solver {
  return {
    reconstruct: (problem, options) => reconstructLinear(problem, products, options),
    survivors: solveSurvivors,
    refine: (problem, sparse, options) => refineMask(problem, sparse, products, options),
    sparseGpt: async (problem, settings) =>
      sparseGpt({ ...problem, hessian: await problem.hessian.dense() }, products, settings),
    release: () => undefined,
  };
}
