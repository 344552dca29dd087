import { EsparseError } from '@esparse/errors';
import type { DeviceTap, HiddenValues, LoadedBlock } from '@esparse/model';
import type { AnyStatistic, DeviceFold, StatisticDevice, StatisticState } from '@esparse/statistics';

/** Which statistics of which taps. */
export interface FoldSpec {
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  readonly statistics: readonly AnyStatistic[];
}

/** A state of a statistic, brought from a device. */
export interface FoldedState {
  readonly tap: string;
  /** Its name. */
  readonly statistic: string;
  readonly state: StatisticState;
}

/** Statistics of a block that are folded where its activations are. */
export interface BlockFold {
  /** Runs the block over a shard and adds its taps. */
  add(block: LoadedBlock, hidden: HiddenValues): Promise<void>;
  /** Waits, and gives the states. */
  finish(): FoldedState[];
  /** Gives the memory back. */
  release(): void;
}

/** Whether a device can fold them all. */
export function foldsOnDevice(statistics: readonly AnyStatistic[]): boolean {
  return statistics.every(({ onDevice }) => onDevice !== undefined);
}

/** @throws EsparseError 'unavailable' where the device has no room for the states */
export function createBlockFold(device: StatisticDevice, { taps, statistics }: FoldSpec): BlockFold {
  const folds: { tap: string; statistic: string; fold: DeviceFold<StatisticState> }[] = [];
  const release = () => {
    for (const { fold } of folds.splice(0)) fold.release();
  };
  try {
    for (const [tap, channels] of taps) {
      for (const statistic of statistics) {
        if (statistic.onDevice === undefined)
          throw new EsparseError('internal', `no kernel of ${statistic.name}`);
        folds.push({ tap, statistic: statistic.name, fold: statistic.onDevice(device, channels) });
      }
    }
  } catch (error) {
    release();
    throw error;
  }
  const visits = new Map(
    [...taps.keys()].map((name) => {
      const ofTap = folds.filter(({ tap }) => tap === name);
      const visit = (tap: DeviceTap) => {
        for (const { fold } of ofTap) fold.update(tap);
      };
      return [name, visit] as const;
    }),
  );
  return {
    add: async (block, hidden) => block.show!(hidden, visits),
    finish: () => folds.map(({ tap, statistic, fold }) => ({ tap, statistic, state: fold.finish() })),
    release,
  };
}
