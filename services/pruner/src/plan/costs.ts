import type { LinearSpec } from '@esparse/model';
import { hessianCost, hessianMemory, type HessianCost, type HessianShape } from '@esparse/reconstruction';
import type { JsonObject, Plugin } from '@esparse/sparsity';
import type { StatisticReaders } from '@esparse/statistics';
import { sum } from './store-bytes.ts';

/** What statistics and stages take beyond amplitude, entropy and the steps of every pipeline. */
export interface Extra {
  /** Of the process: ONNX Runtime, which multiplies for the Hessians. */
  readonly processBytes: number;
  /** Of a block's taps: memory that is bounded, and a file beyond it. */
  readonly hessians: (shape: Omit<HessianShape, 'memory'>) => HessianCost;
  /** Of one tap: the work of a token and of a sequence. */
  readonly flopsPerToken: (channels: number) => number;
  readonly secondsPerSequence: (channels: number) => number;
  /** Of one linear. */
  readonly stageBytes: (linear: LinearSpec) => number;
  readonly stageFlops: (linear: LinearSpec) => number;
  /** Statistics and stages whose memory and time nobody knows. */
  readonly uncounted: readonly string[];
}

/** Statistics whose numbers of channels are in a plan as they are. */
export const OF_CHANNELS: ReadonlySet<string> = new Set(['amplitude', 'entropy']);

/** ONNX Runtime within the pruner, and what lies about of its products: 105 MiB were seen. */
const PRODUCTS_BYTES = 128 * 2 ** 20;
/** Seconds to add an entry of a sequence's product to the sums: 1.5 to 3 ns were seen. */
const GRAM_ADD_SECONDS = 2e-9;
/** Rows that are solved for together, and matrices that this takes. */
const SOLVED_ROWS = 1024;
const SOLVER_MATRICES = 10;
/** f32 matrices of the size of the linear that `reconstruct` holds beside. */
const RECONSTRUCT_MATRICES = 4;

/** Adds up what a pipeline's statistics and stages take, so far as it is known. */
export function extraOf(readers: StatisticReaders, stages: readonly Plugin[]): Extra {
  const names = new Set(Object.values(readers).map(({ statistic }) => statistic.name));
  const gram = names.has('gram') ? 1 : 0;
  const solving = stages.filter(({ name }) => name === 'reconstruct');
  return {
    processBytes: gram * PRODUCTS_BYTES,
    hessians: (shape) =>
      gram === 0 ? { gathering: 0, solving: 0, file: 0 } : hessianCost({ ...shape, memory: hessianMemory() }),
    flopsPerToken: (channels) => gram * 2 * channels ** 2,
    secondsPerSequence: (channels) => (gram * GRAM_ADD_SECONDS * channels ** 2) / 2,
    stageBytes: ({ rows, cols }) =>
      solving.length === 0
        ? 0
        : 4 * cols * (SOLVER_MATRICES * Math.min(rows, SOLVED_ROWS) + RECONSTRUCT_MATRICES * rows),
    stageFlops: ({ rows, cols }) =>
      sum(solving.map(({ options = {} }) => productsOf(options) * 2 * rows * cols ** 2)),
    uncounted: [
      ...[...names].filter((name) => name !== 'gram' && !OF_CHANNELS.has(name)),
      ...stages.flatMap(({ name }) => (name === 'reconstruct' ? [] : [name])),
    ],
  };
}

/** Products with the Hessian at most: the steps of a solution, and, where masks are chosen anew, of a second one. */
function productsOf({ steps, sweeps }: JsonObject): number {
  const solve = (typeof steps === 'number' ? steps : 0) + 1;
  return typeof sweeps === 'number' && sweeps > 0 ? 2 * solve + sweeps : solve;
}
