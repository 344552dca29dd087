import { lastValueFrom } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { AnyStatistic, StatisticSketch, SketchState, StatisticState } from '@esparse/statistics';
import { blamed, guarded, type GuardOptions, type PluginCall } from './guard.ts';
import { disposeStates } from './dispose-states.ts';

/** A tile of activations, and the tap that it is of. */
export interface TapTile {
  readonly block: number;
  readonly tap: string;
  /** (rows x channels), row-major. */
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
  /** Whether its rows are the last of their sequence. */
  readonly endsSequence?: boolean;
  /** The same rows in the dense model, (rows x channels), where a statistic needs them. */
  readonly dense?: Float32Array | undefined;
  /** The number of the token of its first row: see `StatisticTile`. */
  readonly firstToken?: number | undefined;
}

/** What is gathered, and of which shards. */
export interface GatherOptions {
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  readonly statistics: readonly AnyStatistic[];
  /** The shards that the tiles are of, ascending. */
  readonly shards: readonly number[];
  /** How calls of the statistics are guarded. */
  readonly guard?: GuardOptions | undefined;
}

/** Folds tiles into statistics, tap by tap: the same in the pruner and inside a worker. */
export interface Gatherer {
  /** Counts a tile, which must not be changed until the promise settles. */
  add(tile: TapTile): Promise<void>;
  /** The statistics of all tiles, to be called once all tiles of the shards are in. */
  sketch(): StatisticSketch;
  /** Disposes of the states, once the tile that is being counted is. */
  dispose(): Promise<void>;
}

/** The name of a tap's statistic in a sketch. */
export function stateName(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}

/** Opens a state for each statistic of each tap. */
export function createGatherer({ taps, statistics, shards, guard }: GatherOptions): Gatherer {
  const states = new Map<string, SketchState>();
  for (const [tap, channels] of taps) {
    for (const statistic of statistics) {
      states.set(stateName(tap, statistic.name), { statistic, state: stateOf(statistic, tap, channels) });
    }
  }
  let counting: Promise<void> = Promise.resolve();
  return {
    add(tile) {
      counting = counted(
        statistics.map(({ name }) => count(states.get(stateName(tile.tap, name)), tile, guard)),
      );
      return counting;
    },
    sketch: () => ({ shards, states }),
    async dispose() {
      // Kernels would go on writing to memory that is freed by then.
      await counting.catch(() => undefined);
      const left = [...states];
      states.clear();
      await disposeStates(left, guard);
    },
  };
}

/** All at once, since the kernels' queue need not wait for this thread between two; an error is thrown when all have ended. */
async function counted(updates: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(updates)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/** The call of a statistic: its errors, such as NaN in an activation, name block and tap. */
export function callOfStatistic({ name }: AnyStatistic, block: number, tap: string): PluginCall {
  return { plugin: `statistic ${name}`, where: `block ${block}, tap ${tap}`, context: { block, tap } };
}

function stateOf(statistic: AnyStatistic, tap: string, channels: number): StatisticState {
  try {
    return statistic.create(channels, {});
  } catch (error) {
    throw blamed({ plugin: `statistic ${statistic.name}`, where: `tap ${tap}` }, error);
  }
}

async function count(counted: SketchState | undefined, tile: TapTile, guard?: GuardOptions): Promise<void> {
  const { block, tap } = tile;
  if (counted === undefined)
    throw new EsparseError('internal', `a tile of tap ${tap}, which is not gathered`);
  const { statistic, state } = counted;
  const call = callOfStatistic(statistic, block, tap);
  const update$ = guarded(
    call,
    () => statistic.update(state, tile),
    () => undefined,
    guard,
  );
  await lastValueFrom(update$);
}
