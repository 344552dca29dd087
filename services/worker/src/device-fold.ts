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
  /** What it is, unless that stays on the device. */
  readonly state?: StatisticState;
  /** Whether it, or its pieces, stay there to be read: see `SharedState`. */
  readonly isShared: boolean;
  /** Rows that it has seen. */
  readonly tokens: number;
}

/** A state, or its pieces, that another process of the machine may open. */
export interface SharedState {
  readonly tap: string;
  /** Its name. */
  readonly statistic: string;
  /** What it is opened with. */
  readonly handles: readonly Uint8Array[];
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
  /** What can stay on the device until all is released, of which this was not told before: to be opened now, and read once it is finished. */
  shared(): SharedState[];
  /** Waits, and gives the states, but for what `shared` has told of. */
  finish(): FoldedState[];
  /** A piece of a state that has pieces, once it is finished; undefined behind the last. */
  piece(tap: string, statistic: string, index: number): Uint8Array | undefined;
  /** Gives the memory back. */
  release(): void;
}

/** What is folded of a tap. */
interface Fold {
  readonly tap: string;
  readonly statistic: AnyStatistic;
  readonly fold: DeviceFold<StatisticState>;
  tokens: number;
  isShared: boolean;
}

/** Whether a device can fold them all. */
export function foldsOnDevice(statistics: readonly AnyStatistic[]): boolean {
  return statistics.every(({ onDevice }) => onDevice !== undefined);
}

/** @throws EsparseError 'unavailable' where the device has no room for the states */
export function createBlockFold(device: FoldingDevice, { taps, statistics }: FoldSpec): BlockFold {
  const folds: Fold[] = [];
  const release = () => {
    for (const { fold } of folds.splice(0)) fold.release();
  };
  try {
    for (const [tap, channels] of taps) {
      for (const statistic of statistics) {
        if (statistic.onDevice === undefined)
          throw new EsparseError('internal', `no kernel of ${statistic.name}`);
        const fold = statistic.onDevice(device, channels);
        folds.push({ tap, statistic, fold, tokens: 0, isShared: false });
      }
    }
  } catch (error) {
    release();
    throw error;
  }
  const visits = (dense: ReadonlyMap<string, DeviceMemory>) =>
    new Map(
      [...taps.keys()].map((name) => {
        const ofTap = folds.filter(({ tap }) => tap === name);
        const visit = (tap: DeviceTap) => {
          for (const each of ofTap) {
            each.fold.update({ ...tap, dense: dense.get(name)?.address });
            each.tokens += tap.rows;
          }
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
    shared: () =>
      folds.flatMap((each) => {
        const { tap, statistic, fold, isShared } = each;
        const isRead = statistic.takeOver !== undefined || statistic.pieces !== undefined;
        const addresses = isRead && !isShared ? (fold.shares?.() ?? []) : [];
        if (addresses.length === 0) return [];
        each.isShared = true;
        return [
          { tap, statistic: statistic.name, handles: addresses.map((address) => device.share(address)) },
        ];
      }),
    finish: () =>
      folds.map(({ tap, statistic: { name, pieces }, fold, tokens, isShared }) => {
        const common = { tap, statistic: name, tokens, isShared };
        if (!isShared || pieces !== undefined) return { ...common, state: fold.finish() };
        if (fold.check === undefined) fold.finish();
        else fold.check();
        return common;
      }),
    piece: (tap, name, index) =>
      folds.find((each) => each.tap === tap && each.statistic.name === name)?.fold.piece?.(index),
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
