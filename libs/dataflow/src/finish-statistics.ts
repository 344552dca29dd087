import { concatMap, type OperatorFunction } from 'rxjs';
import type { BlockStatistics } from './block-statistics.ts';
import type { ChannelStatistics } from './linear.ts';

/** Turns gathered states into numbers: tap, then statistic, to (channels). */
export function finishStatistics(): OperatorFunction<BlockStatistics, ReadonlyMap<string, ChannelStatistics>> {
  return concatMap(async ({ taps }) => {
    const finished = new Map<string, ChannelStatistics>();
    for (const [tap, states] of taps) {
      const ofTap: Record<string, Float32Array> = {};
      for (const [statistic, state] of states) ofTap[statistic.name] = await statistic.finish(state);
      finished.set(tap, ofTap);
    }
    return finished;
  });
}
