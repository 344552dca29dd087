import { linearsOf, tapsOf, type LinearSpec, type ModelDescription, type TapSpec } from '@esparse/model';
import type { BlockStage } from '@esparse/sparsity';
import type { AnyStatistic } from '@esparse/statistics';
import { prunedLinears, type Layers, type PatternedLinear } from '../layers.ts';
import { shardsOf, type Shard } from '../shards.ts';
import { MIN_EXPERT_TOKENS } from '../starved-experts.ts';
import { tunesDense } from '../tuned-dense.ts';
import type { PlanOptions } from './run-plan.ts';
import { isVocabulary } from '../write-dense-matrix.ts';
import { product, sum } from './sum.ts';

/** What is to be pruned, how, and what is gathered for it. */
export interface WorkloadInput {
  readonly options: Pick<
    PlanOptions,
    'samples' | 'seqlen' | 'workers' | 'combine' | 'expertTokens' | 'denseValues' | 'device'
  >;
  readonly description: ModelDescription;
  readonly layers: Layers;
  readonly statistics: readonly AnyStatistic[];
  /** Of the pipeline. @default none */
  readonly blockStages?: readonly Pick<BlockStage, 'states'>[] | undefined;
  /** Bytes of a weight in the checkpoint. */
  readonly weightBytes: number;
}

/** The work of a run, counted: what its traffic, its memory and its time follow from. */
export interface Workload {
  readonly description: ModelDescription;
  readonly samples: number;
  readonly seqlen: number;
  readonly tokens: number;
  readonly workers: number;
  readonly combine: 'pruner' | 'worker';
  readonly weightBytes: number;
  readonly shards: readonly Shard[];
  /** Workers that have a shard to work on. */
  readonly busy: number;
  /** The linears that are pruned, of all blocks. */
  readonly pruned: readonly PatternedLinear[];
  /** Inputs of pruned linears, of all blocks: nothing is gathered of the others. */
  readonly taps: readonly TapSpec[];
  /** Weights of the largest matrix that becomes integers though nothing of it is pruned: outside the blocks, and of linears. */
  readonly rounded: { readonly outer: number; readonly linear: number };
  /** Weights of a block's linears, in the mean. */
  readonly weights: number;
  /** Of which those of experts, which a worker reads anew for each sequence. */
  readonly expertWeights: number;
  /** Of which those that one token passes. */
  readonly activeWeights: number;
  /** The linears and the taps of the block that has most of them. */
  readonly largest: {
    readonly block: number;
    readonly linears: readonly LinearSpec[];
    readonly taps: readonly TapSpec[];
  };
  /** Of an expert's tokens, in the mean: a share of all. */
  readonly routed: number;
  /** Whether experts see too few tokens, in the mean: then all tokens go to every expert in a second pass. */
  readonly starves: boolean;
  /** Bytes of one block's input or output over all tokens. */
  readonly boundary: number;
  /** Whether metric or stages need statistics, and so activations. */
  readonly calibrates: boolean;
  /** Whether there are block stages. */
  readonly blockStages: boolean;
  /** Blocks that go through these: something of them is pruned, or becomes integers. */
  readonly stagedBlocks: number;
  /** Whether these or block stages need hidden states, which are carried from block to block. */
  readonly carries: boolean;
  /** Whether a statistic needs the dense model's activations, too. */
  readonly needsDense: boolean;
  /** Models whose hidden states are carried from block to block: the pruned one, and the dense one where it is needed. */
  readonly models: number;
  /** Blocks that activations are computed of. */
  readonly calibrated: number;
  /** Of these, those that they are computed of for the dense model, too: the first block's are the same. */
  readonly calibratedDense: number;
  /** Channels of all activations that are gathered, of both models. */
  readonly streamed: number;
  /** Pieces in which they are sent: one of each tap and sequence. */
  readonly tiles: number;
  /** Blocks that hidden states are taken through with the pruned weights. */
  readonly advances: number;
}

/** Whether the worker that the run starts computes on NVIDIA GPUs. */
export function isOnGpu({ device = 'cpu' }: Pick<PlanOptions, 'device'>): boolean {
  return device.startsWith('cuda');
}

/** Counts the work of a run. */
export function workloadOf({
  options,
  description,
  layers,
  statistics,
  blockStages = [],
  weightBytes,
}: WorkloadInput): Workload {
  const { samples, seqlen, workers, combine = 'pruner', expertTokens = MIN_EXPERT_TOKENS } = options;
  const { blocks, hidden, program } = description;
  const shards = shardsOf(new Uint32Array(samples * seqlen), seqlen, hidden, isOnGpu(options));
  const calibrates = statistics.length > 0;
  const carries = calibrates || blockStages.some(({ states }) => states !== 'none');
  const needsDense = statistics.some((statistic) => statistic.needsDense === true);
  const everyBlock = Array.from({ length: blocks }, (_, block) => block);
  const router = program.blocks.flat().find((op) => op.op === 'router');
  const routed = router === undefined ? 1 : router.top / router.experts;
  const starves = router !== undefined && calibrates && samples * seqlen * routed < expertTokens;
  const linears = everyBlock.map((block) => linearsOf(description, block));
  const experts = linears.map((all) => all.filter(({ expert }) => expert !== undefined));
  const weights = sum(linears.map(weightsOf)) / blocks;
  const expertWeights = sum(experts.map(weightsOf)) / blocks;
  const isRounded = options.denseValues !== undefined;
  const largest = everyBlock.reduce(
    (most, block) => (weightsOf(linears[block]!) > weightsOf(linears[most]!) ? block : most),
    0,
  );
  const calibrated = calibrates ? everyBlock.filter((block) => layers.taps(block).length > 0) : [];
  const calibratedDense = needsDense ? calibrated.filter((block) => block > 0) : [];
  const passes = [...calibrated, ...calibratedDense].map((block) => layers.taps(block));
  return {
    description,
    samples,
    seqlen,
    tokens: samples * seqlen,
    workers,
    combine,
    weightBytes,
    shards,
    busy: Math.min(workers, shards.length),
    pruned: prunedLinears(layers, blocks),
    taps: everyBlock.flatMap((block) => layers.taps(block)),
    rounded: {
      outer: largestOf(
        description.outerTensors.filter((tensor) => isRounded && isVocabulary(tensor, description)),
      ),
      linear: largestOf(
        everyBlock.flatMap((block) =>
          isRounded ? layers.dense(block).map(({ rows, cols }) => ({ shape: [rows, cols] })) : [],
        ),
      ),
    },
    weights,
    expertWeights,
    activeWeights: weights - expertWeights + routed * expertWeights,
    largest: { block: largest, linears: linears[largest]!, taps: tapsOf(description, largest) },
    routed,
    starves,
    boundary: 4 * samples * seqlen * hidden,
    calibrates,
    blockStages: blockStages.length > 0,
    stagedBlocks: everyBlock.filter(
      (block) => layers.pruned(block).length > 0 || tunesDense({ options, layers }, block),
    ).length,
    carries,
    needsDense,
    models: needsDense || blockStages.some(({ states }) => states === 'both') ? 2 : 1,
    calibrated: calibrated.length,
    calibratedDense: calibratedDense.length,
    streamed: sum(
      passes.map((taps) => routedChannels(taps, routed) + (starves ? channelsOf(expertTaps(taps)) : 0)),
    ),
    tiles: samples * sum(passes.map((taps) => taps.length + (starves ? expertTaps(taps).length : 0))),
    advances: carries ? blocks - 1 : 0,
  };
}

function largestOf(tensors: readonly { readonly shape: readonly number[] }[]): number {
  return Math.max(0, ...tensors.map(({ shape }) => product(shape)));
}

function weightsOf(linears: readonly LinearSpec[]): number {
  return sum(linears.map(({ rows, cols }) => rows * cols));
}

/** Channels of taps, those of an expert by its share of the tokens. */
export function routedChannels(taps: readonly TapSpec[], routed: number): number {
  return sum(taps.map(({ channels, expert }) => (expert === undefined ? channels : routed * channels)));
}

/** Those taps that are an expert's. */
export function expertTaps(taps: readonly TapSpec[]): readonly TapSpec[] {
  return taps.filter(({ expert }) => expert !== undefined);
}

/** Channels of taps. */
export function channelsOf(taps: readonly TapSpec[]): number {
  return sum(taps.map(({ channels }) => channels));
}
