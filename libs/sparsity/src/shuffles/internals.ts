import { EsparseError } from '@esparse/errors';
import { keptScore } from '@esparse/kernels';
import type { StatisticDevice } from '@esparse/statistics';
import type { Pattern } from '../pattern.ts';
import { canonicalOrder, identityOrder } from '../permutation.ts';
import type { LinearShape } from '../cost.ts';
import { defineShuffle, type ScoreMatrix, type Shuffle } from '../shuffle.ts';

/** A step from one order to a better one. */
export interface ShuffleStep {
  /** Returns early where the signal aborts. */
  run(
    matrix: ScoreMatrix,
    pattern: Pattern,
    order: Int32Array,
    signal?: AbortSignal,
    device?: StatisticDevice,
  ): Promise<Int32Array>;
  /** Bytes of memory at most. */
  bytes(linear: LinearShape): number;
  /** Of a device's, where it computes on one. @default it does not */
  deviceBytes?(linear: LinearShape): number;
}

/**
 * Defines a shuffle that takes its steps one after the other, from the original order.
 *
 * @param version raised where the same scores may give another order
 */
export function shuffleOf(name: string, steps: readonly ShuffleStep[], version = 1): () => Shuffle {
  const onDevice = steps.filter(({ deviceBytes }) => deviceBytes !== undefined);
  return defineShuffle({
    name,
    version,
    async order(matrix, pattern, { signal, device }) {
      const kept = (order: Int32Array) =>
        keptScore(matrix.scores, matrix.rows, matrix.cols, order, pattern.keep, pattern.group);
      let permutation = identityOrder(matrix.cols);
      const keptBefore = await kept(permutation);
      if (steps.length === 0) return { permutation, keptBefore, keptAfter: keptBefore };
      for (const step of steps) {
        if (signal?.aborted === true) {
          throw new EsparseError('cancelled', `shuffle ${name}: cancelled`, { cause: signal.reason });
        }
        permutation = canonicalOrder(
          await step.run(matrix, pattern, permutation, signal, device),
          pattern.group,
        );
      }
      return { permutation, keptBefore, keptAfter: await kept(permutation) };
    },
    cost: (linear) => ({ bytes: Math.max(0, ...steps.map((step) => step.bytes(linear))) }),
    ...(onDevice.length > 0 && {
      deviceBytes: (linear: LinearShape) => Math.max(...onDevice.map((step) => step.deviceBytes!(linear))),
    }),
  });
}
