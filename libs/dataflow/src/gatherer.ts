import { EsparseError, isEsparseError } from '@esparse/errors';
import type { AnyStatistic, Partial, PartialState } from '@esparse/statistics';

/** What a statistic needs of a tile, and where it comes from. */
export interface TapTile {
  readonly block: number;
  readonly tap: string;
  /** (rows x channels), row-major. */
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
  /** Whether its rows are the last of their sequence. */
  readonly endsSequence?: boolean;
}

export interface GatherOptions {
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  readonly statistics: readonly AnyStatistic[];
  /** The shards that the tiles are of, ascending. */
  readonly shards: readonly number[];
}

/** Folds tiles into statistics, tap by tap: the same in the pruner and inside a worker. */
export interface Gatherer {
  /** Counts a tile, which must not be changed until the promise settles. */
  add(tile: TapTile): Promise<void>;
  /** The statistics of all tiles; only where all of the shards' tiles are in. */
  partial(): Partial;
}

/** The name of a tap's statistic in a partial. */
export function stateName(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}

export function createGatherer({ taps, statistics, shards }: GatherOptions): Gatherer {
  const states = new Map<string, PartialState>();
  for (const [tap, channels] of taps) {
    for (const statistic of statistics) {
      states.set(stateName(tap, statistic.name), { statistic, state: statistic.create(channels, {}) });
    }
  }
  return {
    async add(tile) {
      // At once: the kernels' queue need not wait for this thread between two of them.
      await Promise.all(statistics.map(({ name }) => count(states.get(stateName(tile.tap, name)), tile)));
    },
    partial: () => ({ shards, states }),
  };
}

/** NaN in an activation is told with the place where it stands. */
async function count(counted: PartialState | undefined, tile: TapTile): Promise<void> {
  const { block, tap } = tile;
  if (counted === undefined)
    throw new EsparseError('internal', `a tile of tap ${tap}, which nobody asked for`);
  try {
    await counted.statistic.update(counted.state, tile);
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    throw new EsparseError(error.kind, `block ${block}, tap ${tap}: ${error.message}`, {
      hint:
        error.hint ?? 'the model overflows on this text: check the checkpoint, or calibrate on another text',
      context: { ...error.context, block, tap },
      cause: error,
    });
  }
}
