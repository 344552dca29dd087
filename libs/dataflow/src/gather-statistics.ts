import { concatMap, defer, endWith, ignoreElements, type OperatorFunction } from 'rxjs';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { emptyStatistics, type AnyStatistic, type BlockStatistics } from './block-statistics.ts';
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

/**
 * Folds a shard's tiles into statistics, tap by tap, and gives each tile back once it is counted. Emits once, when
 * the stream completes: a shard whose stream breaks off counts for nothing.
 */
export function gatherStatistics({
  taps,
  statistics,
  shard,
}: GatherOptions): OperatorFunction<Leased<TapTile>, BlockStatistics> {
  return (tiles$) =>
    defer(() => {
      const gathered = emptyStatistics(taps, statistics, shard);
      return tiles$.pipe(
        concatMap(async ({ value: tile, release }) => {
          for (const [statistic, state] of gathered.taps.get(tile.tap) ?? []) await count(statistic, state, tile);
          release();
        }),
        ignoreElements(),
        endWith(gathered),
      );
    });
}

/** NaN in an activation is told with the place where it stands. */
async function count(statistic: AnyStatistic, state: unknown, tile: TapTile): Promise<void> {
  try {
    await statistic.update(state, tile);
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    const { block, tap } = tile;
    throw new EsparseError(error.kind, `block ${block}, tap ${tap}: ${error.message}`, {
      hint: error.hint ?? 'the model overflows on this text: check the checkpoint, or calibrate on another text',
      context: { ...error.context, block, tap },
      cause: error,
    });
  }
}
