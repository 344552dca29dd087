import { concat, concatMap, defer, ignoreElements, lastValueFrom, of, type OperatorFunction } from 'rxjs';
import {
  mergeSketches,
  mergeSerialised,
  type ArrivedStates,
  type StatisticSketch,
  type SketchExpectation,
} from '@esparse/statistics';
import { guarded, type GuardOptions } from './guard.ts';
import type { Leased } from './leased.ts';
import { disposeStates } from './dispose-states.ts';

/**
 * Merges the statistics of shards into those of all of them; emits once, when the last is in. The order in which they
 * come does not matter; each is released once it is merged. A shard that comes twice is an error: it would count twice.
 */
export function mergeShards(
  guard?: GuardOptions,
): OperatorFunction<Leased<StatisticSketch>, StatisticSketch> {
  return merging(async (merged, { value: next, release }) => {
    if (merged === undefined) {
      release();
      return next;
    }
    const both = await mergeSketches(merged, next, (name, statistic, merge) => {
      const call = { plugin: `statistic ${statistic.name}`, where: `merging ${name}` };
      return lastValueFrom(guarded(call, merge, () => undefined, guard));
    });
    await disposeStates(next.states, guard);
    release();
    return both;
  });
}

/** A sketch from a worker, as bytes, what it must be, and what came before it. */
export interface SerialisedShards extends ArrivedStates {
  readonly bytes: Uint8Array;
  readonly expected: SketchExpectation;
}

/** As `mergeShards`, of sketches that come as bytes: no more than one state of one of them is unpacked at a time. */
export function mergeSerialisedShards(): OperatorFunction<SerialisedShards, StatisticSketch> {
  return merging((merged, { bytes, expected, ...arrived }) =>
    mergeSerialised(merged, bytes, expected, arrived),
  );
}

/** Merges what comes, one after the other, and emits the outcome of all. */
function merging<T>(
  merge: (merged: StatisticSketch | undefined, next: T) => Promise<StatisticSketch>,
): OperatorFunction<T, StatisticSketch> {
  return (sketches$) =>
    defer(() => {
      let merged: StatisticSketch | undefined;
      const all$ = sketches$.pipe(
        concatMap(async (next) => {
          merged = await merge(merged, next);
        }),
        ignoreElements(),
      );
      return concat(
        all$,
        defer(() => (merged === undefined ? of() : of(merged))),
      );
    });
}
