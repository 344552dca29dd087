import {
  catchError,
  concatMap,
  defer,
  finalize,
  from,
  of,
  throwError,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import {
  maskOn,
  outputsOn,
  scoresOn,
  weightsOn,
  type DeviceWeights,
  type Metric,
  type Shuffle,
} from '@esparse/sparsity';
import { deviceArrays, lacksDeviceMemory, type StatisticDevice } from '@esparse/statistics';
import { inputsOf, type OutputComparison } from './figures.ts';
import { callOn, guarded, type GuardOptions } from './guard.ts';
import type { ComparedOutputs, LoadedLinear, MaskedLinear } from './linear.ts';
import { checkImportance, checkOrder } from './plugin-results.ts';
import { readingsFor } from './readings.ts';
import type { WatchStep } from './watched.ts';

/** What chooses the survivors of a linear. */
export interface ChoosingParts {
  readonly metric: Metric;
  readonly shuffle: Shuffle;
  readonly guard?: GuardOptions | undefined;
  readonly watch?: WatchStep | undefined;
  /** Finds outputs, too, with the dense weights. @default none are compared */
  readonly outputs?: OutputComparison | undefined;
  /** Whether survivors are stored as they are chosen: outputs with these are found there, too. @default false */
  readonly areFinal?: boolean;
}

/** Whether scores, order and mask of a linear can be found where a device has its weights. */
export function choosesOnDevice({ metric, shuffle }: Pick<ChoosingParts, 'metric' | 'shuffle'>): boolean {
  return metric.importance !== undefined && shuffle.orderOn !== undefined;
}

/**
 * Scores, order and mask as the processor finds them, in the memory of a device: only the mask comes back.
 *
 * @param otherwise - finds them where the device has no room, or a score is refused
 */
export function chooseOnDevice(
  parts: ChoosingParts,
  device: StatisticDevice,
  otherwise: OperatorFunction<LoadedLinear, MaskedLinear>,
): OperatorFunction<LoadedLinear, MaskedLinear> {
  return concatMap((linear) =>
    chosen(parts, device, linear).pipe(
      catchError((error: unknown) => (lacksDeviceMemory(error) ? of(undefined) : throwError(() => error))),
      concatMap((found) => (found === undefined ? of(linear).pipe(otherwise) : of(found))),
    ),
  );
}

/** Undefined where the processor is to look at the scores: it says what is wrong with them. */
function chosen(
  parts: ChoosingParts,
  device: StatisticDevice,
  linear: LoadedLinear,
): Observable<MaskedLinear | undefined> {
  const { metric, guard } = parts;
  return defer(() => {
    const arrays = deviceArrays(device);
    let arriving = true;
    const placed = weightsOn(device, arrays, linear).finally(() => {
      arriving = false;
    });
    const choose = (weights: DeviceWeights) =>
      guarded(
        callOn('metric', metric, linear),
        () => metric.importance!({ ...linear, statistics: readingsFor(metric, linear.readings) }),
        (found) => ({ importance: checkImportance(linear, found) }),
        guard,
      ).pipe(concatMap(({ importance }) => masked(parts, linear, { weights, arrays, importance })));
    return from(placed).pipe(
      concatMap((weights) => (weights === undefined ? of(undefined) : choose(weights))),
      finalize(() => {
        // Who leaves earlier does not take the memory from under what is being copied there.
        if (arriving) placed.then(arrays.release, arrays.release);
        else arrays.release();
      }),
    );
  });
}

/** A linear in a device's memory. */
interface Placed {
  readonly weights: DeviceWeights;
  readonly arrays: ReturnType<typeof deviceArrays>;
  readonly importance: Float32Array;
}

function masked(
  { shuffle, guard, watch, outputs, areFinal = false }: ChoosingParts,
  linear: LoadedLinear,
  { weights, arrays, importance }: Placed,
): Observable<MaskedLinear | undefined> {
  const { pattern } = linear;
  return from(scoresOn(weights, arrays, importance)).pipe(
    concatMap((scores) => {
      if (scores === undefined) return of(undefined);
      const order$ = guarded(
        callOn('shuffle', shuffle, linear),
        () => shuffle.orderOn!(scores, pattern, guard?.signal),
        (found) => checkOrder(linear, found),
        guard,
      );
      const maskOf = async (order: MaskedLinear['order']): Promise<MaskedLinear> => {
        const leave = watch?.();
        try {
          const mask = await maskOn(scores, arrays, order.permutation, pattern);
          const compared =
            outputs && (await comparedOn(weights, areFinal ? mask : undefined, outputs, linear));
          return {
            ...linear,
            scores: undefined,
            order,
            mask: mask.bytes,
            ...(compared && { outputs: compared }),
          };
        } finally {
          leave?.();
        }
      };
      return order$.pipe(concatMap(maskOf));
    }),
  );
}

/** Outputs of a linear with all of its weights, and with those that a mask keeps. */
async function comparedOn(
  weights: DeviceWeights,
  mask: Parameters<typeof outputsOn>[2],
  { sample, kernels }: OutputComparison,
  linear: LoadedLinear,
): Promise<ComparedOutputs | undefined> {
  const inputs = inputsOf(sample, linear);
  if (inputs === undefined) return undefined;
  const dense = await outputsOn(weights, inputs);
  return { kernels, inputs, dense, ...(mask && { sparse: await outputsOn(weights, inputs, mask) }) };
}
