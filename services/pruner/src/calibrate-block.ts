import { from, mergeMap, tap as peek, type Observable } from 'rxjs';
import { fromPull, gatherStatistics, mergeShards } from '@esparse/dataflow';
import { free } from '@esparse/kernels';
import type { Tile, WorkerConnection } from '@esparse/protocol';
import type { Partial } from '@esparse/statistics';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';

/**
 * Streams a block's activations over all shards, each from a free worker, into the statistics that the metric needs;
 * emits them once, when the last shard is in. A shard counts only once its stream has completed.
 */
export function calibrateBlock$(context: RunContext, block: number): Observable<Partial> {
  const { description, statistics, shards, pool, options, emit } = context;
  const taps = new Map(description.taps.map(({ name, channels }) => [name, channels]));
  const tokensOf = ({ sequences }: Shard) => sequences * options.seqlen;
  const total = shards.reduce((sum, shard) => sum + tokensOf(shard), 0);
  const gathered = [...statistics.values()].map(({ statistic }) => statistic);
  const firstTap = description.taps[0]?.name;
  let done = 0;

  const tilesOf$ = (worker: WorkerConnection, shard: Shard) =>
    fromPull<Tile>(
      (signal) =>
        worker.streamActivations(
          context.target,
          { block, shard: shard.index, seqlen: options.seqlen, sequences: shard.sequences, taps },
          signal,
        ),
      {
        dispose: ({ data }) => {
          free(data);
        },
      },
    ).pipe(
      peek(({ value: tile }) => {
        if (tile.tap !== firstTap) return;
        done += tile.rows;
        emit({ event: 'progress', block, phase: 'calibrate', done, total, unit: 'tokens' });
      }),
    );

  return from(shards).pipe(
    mergeMap(
      (shard) =>
        pool.run$((worker) =>
          tilesOf$(worker, shard).pipe(gatherStatistics({ taps, statistics: gathered, shard: shard.index })),
        ),
      pool.workers.length,
    ),
    mergeShards(),
  );
}
