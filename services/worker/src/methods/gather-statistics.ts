import type { GatherStatisticsReply, GatherStatisticsRequest__Output } from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import type { BlockTarget } from '../compute.ts';
import { foldsOnDevice } from '../device-fold.ts';
import {
  checkNames,
  checkShards,
  foldShards,
  foldShardsOnDevice,
  statisticsOf,
  type DeviceFolding,
  type FoldOptions,
} from '../gather.ts';
import type { CallContext } from '../handlers.ts';
import { readStates, tapsOf, type WorkerParts } from './parts.ts';

/** The statistics of a block over shards, folded here: only the sketch crosses the network. */
export async function* gatherStatistics(
  parts: WorkerParts,
  { run: ref, block, shards, taps, statistics, allTokens }: GatherStatisticsRequest__Output,
  context: CallContext,
): AsyncGenerator<GatherStatisticsReply> {
  const { signal } = context;
  checkShards(shards);
  checkNames('taps', taps);
  const { model, store, run, seqlen, branches } = await parts.openRun(ref, context);
  const { hidden } = await openHidden(store, run);
  const read = (shard: number) => readStates(parts, hidden)(block, shard, signal);
  const { wholeShards } = parts;
  const options: FoldOptions = {
    ...{ block, shards, taps, allTokens, statistics: statisticsOf(statistics) },
    ...{ wholeShards, signal },
  };
  const target = { model, seqlen, branches, block };
  if (wholeShards === true && foldsOnDevice(options.statistics)) {
    yield* foldShardsOnDevice(deviceFolding(parts, target, options), read, options);
  } else yield* foldShards(tapsOf(parts, target), read, options);
}

/** The calls of the thread that computes, counted. */
function deviceFolding(
  { compute, metrics }: WorkerParts,
  target: BlockTarget,
  { taps, statistics }: FoldOptions,
): DeviceFolding {
  const names = statistics.map(({ name }) => name);
  return {
    begin: () => compute.call('foldBegin', { target, taps, statistics: names }),
    add: async ({ data, shape }) => {
      await compute.call('foldAdd', { target, hidden: data, sequences: shape[0]! });
      for (let s = 0; s < shape[0]!; s++) metrics?.sequence(target.block);
    },
    end: () => compute.call('foldEnd', undefined),
  };
}
