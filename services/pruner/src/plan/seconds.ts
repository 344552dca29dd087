import { blockShape } from './block-shape.ts';
import type { PluginCosts } from './costs.ts';
import type { Rates } from './measure.ts';
import type { RunPlan } from './run-plan.ts';
import type { StoreBytes } from './store-bytes.ts';
import { sum } from './sum.ts';
import { packedBlockBytes } from './traffic.ts';
import { channelsOf, expertTaps, routedChannels, type Workload } from './workload.ts';

/** Estimates the time of each phase from what a machine was seen to do. */
export function secondsOf(
  workload: Workload,
  store: StoreBytes,
  costs: PluginCosts,
  rates: Rates,
): RunPlan['seconds'] {
  const loading = (workload.weightBytes * workload.weights) / rates.read;
  const seconds = {
    calibrate: workload.calibrates ? calibrateSeconds(workload, costs, rates, loading) : 0,
    prune: pruneSeconds(workload, costs, rates, loading),
    tune: tuneSeconds(workload, costs, rates),
    commit: store.bytes / rates.write,
    advance: advanceSeconds(workload, store, rates),
  };
  return { total: sum(Object.values(seconds)), ...seconds };
}

/** One pass of all tokens through a block, by all workers together. @param weights those that a token passes */
function passSeconds({ tokens, busy }: Workload, rates: Rates, weights: number): number {
  return (2 * tokens * weights) / rates.flops / busy;
}

/** Activations are computed and counted at the same time; the matrix products of statistics come on top. */
function calibrateSeconds(workload: Workload, costs: PluginCosts, rates: Rates, loading: number): number {
  const { tokens, taps, routed, samples, calibrated, calibratedDense, combine, busy, starves } = workload;
  const again = starves ? expertTaps(taps) : [];
  const passed = workload.activeWeights + (starves ? workload.weights : 0);
  const passes = (calibrated + calibratedDense) * passSeconds(workload, rates, passed);
  const counting = tokens * (routedChannels(taps, routed) + channelsOf(again)) * rates.statistics;
  const ofSequence = [...taps, ...again].map(({ channels }) =>
    costs.tap({ ...sequencesOf(workload), channels }),
  );
  const products =
    samples *
    (sum(ofSequence.map(({ flops }) => flops)) / rates.flops + sum(ofSequence.map(({ seconds }) => seconds)));
  return (
    calibrated * loading + Math.max(passes, combine === 'worker' ? counting / busy : counting) + products
  );
}

function pruneSeconds(
  { description, weights, pruned }: Workload,
  costs: PluginCosts,
  rates: Rates,
  loading: number,
): number {
  const stages = pruned.map((linear) => costs.stages(linear));
  return (
    description.blocks * (weights * rates.prune + loading) +
    (sum(stages.map(({ flops }) => flops)) / rates.flops + sum(stages.map(({ seconds }) => seconds)))
  );
}

function advanceSeconds(workload: Workload, store: StoreBytes, rates: Rates): number {
  const { advances, models, boundary, activeWeights } = workload;
  const taking = models * (passSeconds(workload, rates, activeWeights) + boundary / rates.write);
  return advances * (taking + packedBlockBytes(workload, store) / rates.read);
}

/** Block stages, on one worker: of a block that stays as it is there is nothing to change. */
function tuneSeconds(workload: Workload, costs: PluginCosts, rates: Rates): number {
  if (!workload.blockStages) return 0;
  const { flops, seconds } = costs.blockStages(blockShape(workload));
  return workload.stagedBlocks * (flops / rates.flops + seconds);
}

/** The sequences of one shard, as statistics are asked about them. */
export function sequencesOf({ seqlen, shards }: Workload): {
  readonly seqlen: number;
  readonly sequences: number;
} {
  return { seqlen, sequences: shards[0]!.sequences };
}
