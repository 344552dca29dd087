import { concatMap, from, lastValueFrom, map, mergeMap, type Observable } from 'rxjs';
import {
  finishStatistics,
  fromPull,
  gatherStatistics,
  mergeShards,
  readersOf,
  statisticsOf,
  type TapReadings,
} from '@esparse/dataflow';
import type { Activations } from '@esparse/laws';
import { connectWorker, type WorkerConnection } from '@esparse/protocol';
import type { PipelineParts } from '@esparse/sparsity';
import type { AnyStatistic, StatisticSketch } from '@esparse/statistics';
import { startFakeWorker } from './fake-worker.ts';

/** Of each shard. */
export const SEQUENCES = 2;

export interface SyntheticReadingOptions {
  /** Channels of each tap. */
  readonly taps: ReadonlyMap<string, number>;
  readonly shards: number;
  /** Rows of a sequence. */
  readonly seqlen: number;
  readonly activations: Activations;
  readonly seed: number;
  readonly signal: AbortSignal | undefined;
}

/** What metric and stages read of each tap, from the activations that a fake worker streams. */
export async function syntheticReadings(
  { metric, stages = [] }: PipelineParts,
  options: SyntheticReadingOptions,
): Promise<ReadonlyMap<string, TapReadings>> {
  const { taps, shards, activations, seed } = options;
  const readers = readersOf([metric, ...stages]);
  if (readers.size === 0) return new Map();
  const statistics = statisticsOf(readers);
  const fake = await startFakeWorker({ taps: Object.fromEntries(taps), activations, seed });
  const worker = connectWorker(fake.address);
  try {
    return await lastValueFrom(
      from(Array.from({ length: shards }, (_, shard) => shard)).pipe(
        concatMap((shard) => shard$(worker, shard, statistics, options)),
        map((value) => ({ value, release: () => undefined })),
        mergeShards(),
        finishStatistics([...taps.keys()], readers, { sequences: shards * SEQUENCES, block: 0 }),
      ),
    );
  } finally {
    worker.close();
    await fake.close();
  }
}

/** The statistics of one shard, opened and streamed as a pruner does. */
function shard$(
  worker: WorkerConnection,
  shard: number,
  statistics: readonly AnyStatistic[],
  { taps, seqlen, signal }: SyntheticReadingOptions,
): Observable<StatisticSketch> {
  const target = { model: 'none', store: 'none', run: '0'.repeat(32), seqlen };
  const opening = { shard, sequences: SEQUENCES, tokens: new Uint32Array(SEQUENCES * seqlen) };
  const dense = statistics.some(({ needsDense }) => needsDense === true);
  const expected = { block: 0, shard, seqlen, sequences: SEQUENCES, taps, dense };
  return from(worker.openShard(target, opening, signal)).pipe(
    mergeMap(() => fromPull((unsubscribed) => worker.streamActivations(target, expected, unsubscribed))),
    gatherStatistics({ taps, statistics, shards: [shard] }),
  );
}
