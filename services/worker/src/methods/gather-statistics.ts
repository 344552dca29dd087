import { EsparseError } from '@esparse/errors';
import type {
  EndGatherRequest__Output,
  GatherStatisticsReply,
  GatherStatisticsRequest__Output,
} from '@esparse/protocol';
import type { AnyStatistic } from '@esparse/statistics';
import { openHidden, type StoredHiddenShard } from '@esparse/store';
import type { BlockTarget } from '../compute-inputs.ts';
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
import type { StatesKey } from '../kept-states.ts';
import { denseStates, requireSameShape } from './dense-states.ts';
import { readStates, tapsOf, type WorkerParts } from './parts.ts';

/** The statistics of a block over shards, folded here: only the sketch crosses the network. */
export async function* gatherStatistics(
  parts: WorkerParts,
  { run: ref, block, shards, taps, statistics, allTokens, shares }: GatherStatisticsRequest__Output,
  context: CallContext,
): AsyncGenerator<GatherStatisticsReply> {
  const { signal } = context;
  checkShards(shards);
  checkNames('taps', taps);
  const { model, store, run, seqlen, branches } = await parts.openRun(ref, context);
  const stored = await openHidden(store, run);
  const read = (shard: number) => readStates(parts, stored.hidden)(block, shard, signal);
  const { wholeShards } = parts;
  const options: FoldOptions = {
    ...{ block, shards, taps, allTokens, statistics: statisticsOf(statistics) },
    ...{ wholeShards, shares, signal },
  };
  const target = { model, seqlen, branches, block };
  if (wholeShards === true && foldsOnDevice(options.statistics)) {
    const needsDense = block > 0 && options.statistics.some((statistic) => statistic.needsDense === true);
    const readDense = readStates(parts, denseStates(stored, block));
    const models = [
      { dense: false, read },
      ...(needsDense ? [{ dense: true, read: (shard: number) => readDense(block, shard, signal) }] : []),
    ].map(({ dense, read }) => ({ read, keyOf: (shard: number) => ({ store, run, dense, block, shard }) }));
    yield* foldShardsOnDevice(deviceFolding(parts, target, options, models), options);
    return;
  }
  requireSent(options.statistics);
  yield* foldShards(tapsOf(parts, target), read, options);
}

/** Gives back the memory of what was shared. */
export async function endGather(
  { openRun, compute }: WorkerParts,
  { run }: EndGatherRequest__Output,
  context: CallContext,
): Promise<object> {
  await openRun(run, context);
  await compute.call('foldEnd', undefined);
  return {};
}

/** @throws EsparseError 'unsupported' for statistics that only a device folds */
function requireSent(all: readonly AnyStatistic[]): void {
  const folded = all.find(({ pieces }) => pieces !== undefined);
  if (folded === undefined) return;
  throw new EsparseError('unsupported', `this worker does not gather ${folded.name}: it has no NVIDIA GPU`, {
    hint: 'leave out --combine worker with this pipeline, or start workers with --device cuda',
  });
}

/** Where hidden states of a model are read, and the device keeps them. */
interface StatesOfModel {
  readonly read: (shard: number) => Promise<StoredHiddenShard>;
  readonly keyOf: (shard: number) => StatesKey;
}

/** The calls of the thread that computes, counted. */
function deviceFolding(
  { compute, metrics }: WorkerParts,
  target: BlockTarget,
  { taps, statistics }: FoldOptions,
  models: readonly StatesOfModel[],
): DeviceFolding {
  const names = statistics.map(({ name }) => name);
  const inputs = (shard: number, read?: readonly StoredHiddenShard[]) => {
    const [own, dense] = models.map(({ keyOf }, i) => ({ key: keyOf(shard), read: read?.[i] }));
    return { target, own: own!, dense };
  };
  const readAll = (shard: number) => Promise.all(models.map(({ read }) => read(shard)));
  return {
    begin: () => compute.call('foldBegin', { target, taps, statistics: names }),
    async read(shard) {
      const keys = models.map(({ keyOf }) => keyOf(shard));
      const kept = await compute.call('kept', { target, keys });
      return kept.every((is) => is) ? undefined : readAll(shard);
    },
    async add(shard, read) {
      requireSameShape(read?.[0], read?.[1]);
      let sequences = await compute.call('foldAdd', inputs(shard, read));
      // What was kept may have been given up since.
      sequences ??= await compute.call('foldAdd', inputs(shard, await readAll(shard)));
      for (let s = 0; s < sequences!; s++) metrics?.sequence(target.block);
      return sequences! * target.seqlen;
    },
    shared: () => compute.call('foldShared', undefined),
    finish: () => compute.call('foldFinish', undefined),
    piece: (tap, statistic, index) => compute.call('foldPiece', { tap, statistic, index }),
    end: () => compute.call('foldEnd', undefined),
  };
}
