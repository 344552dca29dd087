import type { GatherStatisticsReply, GatherStatisticsRequest__Output } from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import { checkNames, checkShards, foldShards, statisticsOf } from '../gather.ts';
import type { CallContext } from '../handlers.ts';
import { tapsOf, type WorkerParts } from './parts.ts';

/** The statistics of a block over shards, folded here: only the sketch crosses the network. */
export async function* gatherStatistics(
  parts: WorkerParts,
  { run: ref, block, shards, taps, statistics, allTokens }: GatherStatisticsRequest__Output,
  context: CallContext,
): AsyncGenerator<GatherStatisticsReply> {
  const { signal } = context;
  checkShards(shards);
  checkNames('taps', taps);
  const { model, store, run, seqlen } = await parts.openRun(ref, context);
  const { hidden } = await openHidden(store, run);
  const read = (shard: number) => hidden.read(block, shard, signal);
  const { wholeShards } = parts;
  const options = {
    ...{ block, shards, taps, allTokens, statistics: statisticsOf(statistics) },
    ...{ wholeShards, signal },
  };
  yield* foldShards(tapsOf(parts, { model, seqlen, block }), read, options);
}
