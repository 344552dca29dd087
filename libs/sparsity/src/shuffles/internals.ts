import { EsparseError } from '@esparse/errors';
import { keptScore } from '@esparse/kernels';
import type { StatisticDevice } from '@esparse/statistics';
import type { Pattern } from '../pattern.ts';
import { canonicalOrder, identityOrder } from '../permutation.ts';
import type { LinearShape } from '../cost.ts';
import {
  defineShuffle,
  type DeviceScores,
  type ScoreMatrix,
  type Shuffle,
  type ShuffleContext,
  type ShuffleResult,
} from '../shuffle.ts';
import { keptScoreOn } from './device/scores.ts';

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
  /** The same of scores that a device has. @default they are to be in the host's memory */
  runOn?(
    scores: DeviceScores,
    pattern: Pattern,
    order: Int32Array,
    signal?: AbortSignal,
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
  const taken = async (
    { cols }: { readonly cols: number },
    { group }: Pattern,
    signal: AbortSignal | undefined,
    { kept, run }: StepsOn,
  ): Promise<ShuffleResult> => {
    let permutation = identityOrder(cols);
    const keptBefore = await kept(permutation);
    if (steps.length === 0) return { permutation, keptBefore, keptAfter: keptBefore };
    for (const step of steps) {
      if (signal?.aborted === true) {
        throw new EsparseError('cancelled', `shuffle ${name}: cancelled`, { cause: signal.reason });
      }
      permutation = canonicalOrder(await run(step, permutation), group);
    }
    return { permutation, keptBefore, keptAfter: await kept(permutation) };
  };
  return defineShuffle({
    name,
    version,
    order: (matrix, pattern, { signal, device }) =>
      taken(matrix, pattern, signal, {
        kept: (order) =>
          keptScore(matrix.scores, matrix.rows, matrix.cols, order, pattern.keep, pattern.group),
        run: (step, order) => step.run(matrix, pattern, order, signal, device),
      }),
    ...(steps.every(({ runOn }) => runOn !== undefined) && {
      orderOn: (
        scores: DeviceScores,
        pattern: Pattern,
        { signal }: Pick<ShuffleContext<unknown>, 'signal'>,
      ) =>
        taken(scores, pattern, signal, {
          kept: (order) => keptScoreOn(scores, order, pattern),
          run: (step, order) => step.runOn!(scores, pattern, order, signal),
        }),
    }),
    cost: (linear) => ({ bytes: Math.max(0, ...steps.map((step) => step.bytes(linear))) }),
    ...(onDevice.length > 0 && {
      deviceBytes: (linear: LinearShape) => Math.max(...onDevice.map((step) => step.deviceBytes!(linear))),
    }),
  });
}

/** Where steps are taken: on scores of the host, or of a device. */
interface StepsOn {
  kept(order: Int32Array): Promise<number>;
  run(step: ShuffleStep, order: Int32Array): Promise<Int32Array>;
}
