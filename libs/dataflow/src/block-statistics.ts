import type { Statistic } from '@esparse/statistics';

/** A statistic of any state: who holds a state has it from the same statistic. */
export type AnyStatistic = Pick<Statistic<unknown>, 'name' | 'create' | 'update' | 'merge' | 'finish'>;

/** The statistics of a block's taps over some shards of the calibration set. */
export interface BlockStatistics {
  /** The shards that are counted, each once. */
  readonly shards: ReadonlySet<number>;
  /** Tap, then statistic, to its state. */
  readonly taps: ReadonlyMap<string, ReadonlyMap<AnyStatistic, unknown>>;
}

/** Nothing counted yet. @param taps - Channels of each tap. */
export function emptyStatistics(
  taps: ReadonlyMap<string, number>,
  statistics: readonly AnyStatistic[],
  shard: number,
): BlockStatistics {
  const statesOf = (channels: number) =>
    new Map(statistics.map((statistic) => [statistic, statistic.create(channels)]));
  return {
    shards: new Set([shard]),
    taps: new Map([...taps].map(([tap, channels]) => [tap, statesOf(channels)])),
  };
}
