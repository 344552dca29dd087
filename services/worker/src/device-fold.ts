import { EsparseError, isEsparseError } from '@esparse/errors';
import type { DeviceStates, DeviceTap, LoadedBlock } from '@esparse/model';
import type {
  AnyStatistic,
  DeviceFold,
  DeviceMemory,
  SharingDevice,
  StatisticDevice,
  StatisticState,
} from '@esparse/statistics';

/** What statistics are folded on. */
export type FoldingDevice = StatisticDevice & Pick<SharingDevice, 'share'>;

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

/** Hidden states of a shard, in bf16. */
interface FoldedStates {
  readonly values: Uint16Array | DeviceStates;
}

/** Statistics of a block that are folded where its activations are. */
export interface BlockFold {
  /**
   * Runs the block over a shard and adds its taps.
   *
   * @param dense - the dense model's states of the same shard, where those are not the same
   * @throws EsparseError 'unsupported' where the device has no room for what is folded
   */
  add(block: LoadedBlock, hidden: FoldedStates, dense?: FoldedStates): Promise<void>;
  /** Waits, and gives the states. */
  finish(): FoldedState[];
  /** A piece of a state that has pieces, once it is finished; undefined behind the last. */
  piece(tap: string, statistic: string, index: number): Uint8Array | undefined;
  /** What another process of the machine opens the pieces of a state with, once it is finished: they stay until all is released. */
  share(tap: string, statistic: string): Uint8Array[];
  /** Gives the memory back. */
  release(): void;
}

/** Whether a device can fold them all. */
export function foldsOnDevice(statistics: readonly AnyStatistic[]): boolean {
  return statistics.every(({ onDevice }) => onDevice !== undefined);
}

/** @throws EsparseError 'unavailable' where the device has no room for the states */
export function createBlockFold(device: FoldingDevice, { taps, statistics }: FoldSpec): BlockFold {
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
  const foldOf = (tap: string, statistic: string) =>
    folds.find((each) => each.tap === tap && each.statistic === statistic)?.fold;
  const visits = (dense: ReadonlyMap<string, DeviceMemory>) =>
    new Map(
      [...taps.keys()].map((name) => {
        const ofTap = folds.filter(({ tap }) => tap === name);
        const visit = (tap: DeviceTap) => {
          for (const { fold } of ofTap) fold.update({ ...tap, dense: dense.get(name)?.address });
        };
        return [name, visit] as const;
      }),
    );
  return {
    add: (block, hidden, dense) =>
      withRoom(statistics, async () => {
        const kept = new Map<string, DeviceMemory>();
        try {
          // Each tap is gone once it was shown: those of the dense model are kept until the others come.
          if (dense !== undefined) await block.show!(dense.values, keeping(device, taps, kept));
          await block.show!(hidden.values, visits(kept));
        } finally {
          for (const memory of kept.values()) device.release(memory);
        }
      }),
    finish: () => folds.map(({ tap, statistic, fold }) => ({ tap, statistic, state: fold.finish() })),
    piece: (tap, statistic, index) => foldOf(tap, statistic)?.piece?.(index),
    share: (tap, statistic) =>
      (foldOf(tap, statistic)?.pieces?.() ?? []).map((address) => device.share(address)),
    release,
  };
}

/** Visits that copy taps to memory of their own. */
function keeping(
  device: StatisticDevice,
  taps: ReadonlyMap<string, number>,
  kept: Map<string, DeviceMemory>,
): ReadonlyMap<string, (tap: DeviceTap) => void> {
  const keep = (name: string) => (tap: DeviceTap) => {
    const bytes = (tap.type === 'f32' ? 4 : 2) * tap.rows * tap.channels;
    const memory = device.allocate(bytes);
    kept.set(name, memory);
    device.copy(memory.address, tap.address, bytes);
  };
  return new Map([...taps.keys()].map((name) => [name, keep(name)]));
}

/** Sums of products may need more than the device has: that does not change when it is tried again. */
async function withRoom(statistics: readonly AnyStatistic[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const large = statistics.filter(({ pieces }) => pieces !== undefined).map(({ name }) => name);
    if (!isEsparseError(error) || error.kind !== 'unavailable' || error.context.device === 'lost')
      throw error;
    if (large.length === 0) throw error;
    throw new EsparseError('unsupported', `no room for ${large.join(' and ')} on the GPU: ${error.message}`, {
      hint: 'use --combine pruner, shorter sequences, or a GPU with more memory',
      cause: error,
    });
  }
}
