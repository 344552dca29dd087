import type { AnyStatistic } from '@esparse/statistics';
import { batchesOf } from '../batches.ts';
import { isKnownToWorkers } from '../statistics.ts';
import type { RunPlan } from './run-plan.ts';
import type { StoreBytes } from './store-bytes.ts';
import { product, sum } from './sum.ts';
import { channelsOf, expertTaps, type Workload } from './workload.ts';

/**
 * One channel's part of a sketch on the wire: 2 to 3.4 KB was seen on models' activations, and less of few tokens; beside it the
 * value of each of 64 rows that are sampled.
 */
const SKETCH_CHANNEL_BYTES = 4_500;
const SKETCH_TOKEN_BYTES = 12;

/** What a piece of activations has on the wire beside them: 55 to 60 bytes were seen. It counts where taps are narrow. */
const TILE_BYTES = 50;

/** Bytes that one channel takes at most in a sketch of so many tokens. */
export function sketchChannelBytes(tokens: number): number {
  return Math.min(SKETCH_CHANNEL_BYTES, 64 + SKETCH_TOKEN_BYTES * tokens);
}

/** Bytes of a packed block in the store. */
export function packedBlockBytes(workload: Workload, store: StoreBytes): number {
  return (store.arrays - outerBytes(workload)) / workload.description.blocks;
}

/** Bytes that are read in the whole run, by the pruner and by all workers together. */
export function readBytes(workload: Workload, store: StoreBytes): RunPlan['read'] {
  const { description, weightBytes, weights, carries, boundary, advances } = workload;
  const blockBytes = weightBytes * weights;
  const { calibrated, calibratedDense, models, starves, samples, expertWeights } = workload;
  // A second pass reads hidden states and experts again; the rest of the block is there still.
  const again = starves ? samples * weightBytes * expertWeights * calibrated : 0;
  const passes = starves ? 2 : 1;
  return {
    pruner: blockBytes * description.blocks + outerBytes(workload),
    workers: carries
      ? Math.round(
          blocksRead(workload, blockBytes) * calibrated +
            blocksRead(workload, packedBlockBytes(workload, store)) * advances +
            again +
            boundary * (passes * (calibrated + calibratedDense) + models * advances),
        )
      : 0,
  };
}

/** What all workers read of a block of so many bytes: each the whole of it once, but experts once a sequence. */
function blocksRead({ busy, samples, weights, expertWeights }: Workload, bytes: number): number {
  const experts = expertWeights / weights;
  return bytes * (busy * (1 - experts) + samples * experts);
}

/** Bytes that are written in the whole run. */
export function writtenBytes(workload: Workload, store: StoreBytes): RunPlan['written'] {
  const { carries, boundary, models, description } = workload;
  return {
    store: store.bytes,
    hidden: carries ? boundary * (1 + models * (description.blocks - 1)) : 0,
  };
}

/** Bytes on the wire in the whole run: activations, or sketches where workers know all statistics. */
export function wireBytes(
  workload: Workload,
  statistics: readonly AnyStatistic[],
  onGpus = false,
): RunPlan['wire'] {
  const { calibrates, tokens, streamed, tiles, shards, workers, taps, starves } = workload;
  const batches = batchesOf(shards, workers).length;
  const channels = channelsOf(taps) + (starves ? channelsOf(expertTaps(taps)) : 0);
  return {
    pruner: calibrates ? 4 * tokens * streamed + TILE_BYTES * tiles : 0,
    ...(statistics.every((statistic) => isKnownToWorkers(statistic, onGpus)) && {
      worker: calibrates
        ? batches * (channels * sketchChannelBytes(tokens / batches) + pieceBytes(workload, statistics))
        : 0,
    }),
  };
}

/** Bytes of states that go in pieces, of all taps. Those of a statistic that needs the dense model's rows begin behind the first block. */
function pieceBytes(
  { taps, calibrated, calibratedDense }: Workload,
  statistics: readonly AnyStatistic[],
): number {
  return sum(
    statistics.flatMap(({ pieces, needsDense = false }) => {
      const share = needsDense ? calibratedDense / calibrated : 1;
      return pieces === undefined ? [] : taps.map(({ channels }) => share * pieces.bytes(channels));
    }),
  );
}

/** Bytes of hidden states that lie in the store at once, at most: before a block and behind it. */
export function hiddenBytes({ carries, models, boundary }: Workload): number {
  return carries ? 2 * models * boundary : 0;
}

function outerBytes({ description, weightBytes }: Workload): number {
  return sum(description.outerTensors.map(({ shape }) => weightBytes * product(shape)));
}
