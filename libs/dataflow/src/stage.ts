import { concatMap, map, of, type OperatorFunction } from 'rxjs';
import { free } from '@esparse/kernels';
import type { Stage, StageContext } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import { callOn, guarded, type GuardOptions } from './guard.ts';
import type { MaskedLinear } from './linear.ts';
import { checkStage } from './plugin-results.ts';
import { readingsFor } from './readings.ts';
import type { Turns } from './turns.ts';

/** What a stage has but for its signal. */
export interface StageRun extends Omit<StageContext, 'signal'> {
  /** Called once the last stage that computes on the device has run: its results are looked at without it. */
  readonly leave?: (() => void) | undefined;
}

/** Runs one stage: the weights and the mask that it returns take the place of those it was given. */
export function stage(
  step: Stage,
  { note, progress, device, leave }: StageRun,
  guard?: GuardOptions,
): OperatorFunction<MaskedLinear, MaskedLinear> {
  return enrich((linear) => {
    const { block, name, order, weights, mask, readings } = linear;
    const { permutation } = order;
    const context: StageContext = {
      signal: guard?.signal,
      note: (message) => {
        note(`block ${block}, ${name}: ${step.name}: ${message}`);
      },
      progress,
      device,
    };
    return guarded(
      callOn('stage', step, linear),
      async () => {
        try {
          return await step.run({ ...linear, permutation, statistics: readingsFor(step, readings) }, context);
        } finally {
          leave?.();
        }
      },
      (found) => checkStage(linear, found),
      { ...guard, borrowed: { weights, permutation, mask } },
    ).pipe(
      map((changed) => {
        // A view of what it was given takes its place without any memory of its own.
        if (changed.weights !== undefined && changed.weights.buffer !== weights.buffer) free(weights);
        if (changed.mask !== undefined && changed.mask.buffer !== mask.buffer) free(mask);
        return {
          weights: changed.weights ?? weights,
          mask: changed.mask ?? mask,
          ...(changed.integers !== undefined && { integers: changed.integers }),
        };
      }),
    );
  });
}

/**
 * Runs stages one after the other: each gets the weights and the mask that the one before left.
 *
 * @param alone - turns of the stages that compute on no device, where linears come on several at once @default they come one by one
 */
export function stages(
  steps: readonly Stage[],
  { leave, ...report }: StageRun,
  guard?: GuardOptions,
  alone?: Turns<unknown>,
): OperatorFunction<MaskedLinear, MaskedLinear> {
  const last = steps.map(({ deviceBytes }) => deviceBytes !== undefined).lastIndexOf(true);
  const turned = (step: Stage, i: number): OperatorFunction<MaskedLinear, MaskedLinear> => {
    const run = stage(step, { ...report, leave: i === last ? leave : undefined }, guard);
    if (alone === undefined || step.deviceBytes !== undefined) return run;
    return concatMap((linear) => alone.use(() => of(linear).pipe(run)));
  };
  return (linears$) => steps.reduce((through$, step, i) => through$.pipe(turned(step, i)), linears$);
}
