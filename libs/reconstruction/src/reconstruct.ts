import { isEsparseError, EsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { createMatrixProducts, productsId, type MatrixProducts } from '@esparse/model';
import type { Stage, StageInput } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';
import { gramOf, gramStatistic, type GramState } from './gram.ts';
import { solveSurvivors } from './survivors.ts';

/** Options of `reconstruct`. */
export interface ReconstructOptions {
  /** Added to the Hessian's diagonal, in parts of its mean. @default 0.01 */
  readonly damping?: number;
  /** Steps of the solver at most. @default 64 */
  readonly steps?: number;
}

/** The statistics of `reconstruct`. */
export type ReconstructNeeds = Readonly<Record<'hessian', StatisticReader<Float32Array>>>;

/**
 * Gives the survivors of a mask the weights that best give back the dense linear's output on the calibration inputs: see
 * `solveSurvivors`. Where that cannot be solved the weights stay, with a warning.
 */
export function reconstruct({
  damping = 0.01,
  steps = 64,
}: ReconstructOptions = {}): Stage<ReconstructNeeds> {
  if (!(damping > 0 && damping < Infinity)) {
    throw new EsparseError('usage', `reconstruct: damping is ${damping}, expected a finite number above 0`);
  }
  let opened: Promise<MatrixProducts> | undefined;
  const products = () => (opened ??= createMatrixProducts());
  return {
    name: 'reconstruct',
    statistics: {
      hessian: {
        statistic: gramStatistic(products),
        read: (state) => Promise.resolve(gramOf(state as GramState)),
      },
    },
    async run(input, { signal, note }) {
      const { rows, cols, dtype, statistics } = input;
      const { hessian } = statistics;
      let trace = 0;
      for (let j = 0; j < cols; j++) trace += hessian[j * cols + j]!;
      const problem = {
        rows,
        cols,
        weights: await widen(dtype, input.weights),
        kept: keptOf(input),
        hessian,
        damping: (damping * trace) / cols,
      };
      try {
        const solved = await solveSurvivors(problem, await products(), { steps, signal });
        return { weights: narrow(dtype, solved) };
      } catch (error) {
        if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
        note(`${error.message}: the survivors keep their weights`);
        return {};
      }
    },
    numerics: productsId,
    async release() {
      await (await opened)?.release();
    },
  };
}

/** 1 where a weight survives, else 0: (rows, cols) in the original order. */
function keptOf({ rows, cols, permutation, mask }: StageInput): Float32Array {
  const kept = new Float32Array(rows * cols);
  const rowBytes = Math.ceil(cols / 8);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      kept[r * cols + permutation[i]!] = (mask[r * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
    }
  }
  return kept;
}
