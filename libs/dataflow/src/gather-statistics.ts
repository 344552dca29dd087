import { concatMap, defer, endWith, ignoreElements, type OperatorFunction } from 'rxjs';
import { EsparseError, isEsparseError } from '@esparse/errors';
import type { AnyStatistic, Partial, PartialState } from '@esparse/statistics';
import type { Leased } from './leased.ts';

/** What a statistic needs of a tile, and where it comes from. */
export interface TapTile {
  readonly block: number;
  readonly tap: string;
  /** (rows x channels), row-major. */
  readonly data: Float32Array;
  readonly rows: number;
  readonly channels: number;
}

export interface GatherOptions {
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  readonly statistics: readonly AnyStatistic[];
  /** The shard that the tiles are of. */
  readonly shard: number;
}

/** The name of a tap's statistic in a partial. */
export function stateName(tap: string, statistic: string): string {
  return `${tap}/${statistic}`;
}

/**
 * Folds a shard's tiles into statistics, tap by tap, and gives each tile back once it is counted. Emits once, when
 * the stream completes: a shard whose stream breaks off counts for nothing.
 */
export function gatherStatistics(options: GatherOptions): OperatorFunction<Leased<TapTile>, Partial> {
  const { taps, statistics, shard } = options;
  return (tiles$) =>
    defer(() => {
      const states = new Map<string, PartialState>();
      for (const [tap, channels] of taps) {
        for (const statistic of statistics) {
          states.set(stateName(tap, statistic.name), { statistic, state: statistic.create(channels, {}) });
        }
      }
      return tiles$.pipe(
        concatMap(async ({ value: tile, release }) => {
          // At once: the kernels' queue need not wait for this thread between two of them.
          await Promise.all(statistics.map(({ name }) => count(states.get(stateName(tile.tap, name)), tile)));
          release();
        }),
        ignoreElements(),
        endWith({ shards: [shard], states }),
      );
    });
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
