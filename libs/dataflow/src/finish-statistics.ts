import { concatMap, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { StatisticName } from '@esparse/sparsity';
import type { AnyStatistic, Partial, StatisticState } from '@esparse/statistics';
import { stateName } from './gatherer.ts';
import type { ChannelStatistics } from './linear.ts';

/** A statistic, and how its numbers, (channels), are read off its state, into memory of their own. */
export interface StatisticReader {
  readonly statistic: AnyStatistic;
  read(state: StatisticState): Promise<Float32Array>;
}

/** Reads the numbers of every tap off the gathered states, which are let go: tap, then statistic, to (channels). */
export function finishStatistics(
  taps: readonly string[],
  readers: ReadonlyMap<StatisticName, StatisticReader>,
): OperatorFunction<Partial, ReadonlyMap<string, ChannelStatistics>> {
  return concatMap(async ({ states }) => {
    const finished = new Map<string, ChannelStatistics>();
    for (const tap of taps) {
      const ofTap: { amplitude?: Float32Array; entropy?: Float32Array } = {};
      for (const [name, { statistic, read }] of readers) {
        const gathered = states.get(stateName(tap, statistic.name));
        if (gathered === undefined)
          throw new EsparseError('internal', `nothing was gathered of ${name} at tap ${tap}`);
        ofTap[name] = await read(gathered.state);
        statistic.dispose?.(gathered.state);
      }
      finished.set(tap, ofTap);
    }
    return finished;
  });
}
