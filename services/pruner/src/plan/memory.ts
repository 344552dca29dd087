import type { ModelDescription, TapSpec } from '@esparse/model';
import type { HessianCost } from '@esparse/reconstruction';
import type { PatternedLinear } from '../layers.ts';
import type { Extra } from './costs.ts';
import { packedBytes, sum } from './store-bytes.ts';

const MIB = 2 ** 20;

/** A process with all its libraries and no model: 180 to 215 MiB were seen of either. */
const PROCESS_BYTES = 230 * MIB;
/** Histograms of a channel, and its sum of squares. */
const CHANNEL_BYTES = 19_700 + 24;
/** Rows that wait before they are counted, at most. */
const WAITING_ROWS = 2048;
/** A connection's HTTP/2 window, and the tiles that are with the operators. */
const CONNECTION_BYTES = 16 * MIB;
/** One channel's part of a sketch on the wire: 2 to 3.4 KB was seen on models' activations, and less of few tokens. */
const SKETCH_CHANNEL_BYTES = 4_500;
const SKETCH_TOKEN_BYTES = 8;
/** Sequences whose activations a worker holds: one that is sent, and those that are made meanwhile. */
const SEQUENCES = 3;
/** What lies about until the collector comes. */
const PRUNER_SLACK = 1.05;
const WORKER_SLACK = 1.15;

export interface MemoryShape {
  readonly description: ModelDescription;
  /** The linears that are pruned, of all blocks: one is held at a time. */
  readonly pruned: readonly PatternedLinear[];
  readonly seqlen: number;
  readonly workers: number;
  readonly shards: number;
  /** Sequences of a shard at most. */
  readonly sequences: number;
  readonly combine: 'pruner' | 'worker';
  /** Whether the metric needs statistics, and so activations. */
  readonly calibrates: boolean;
  /** Whether a statistic needs the dense model's activations, too. */
  readonly needsDense: boolean;
  /** Bytes of a weight in the checkpoint. */
  readonly weightBytes: number;
  /** Of statistics and stages beyond amplitude and entropy. */
  readonly extra: Extra;
}

/** The most that the pruner holds: statistics, then one linear at a time, and once the largest tensor that stays. */
export function prunerMemory(shape: MemoryShape): number {
  const { description, pruned, workers, shards, combine, calibrates, weightBytes, extra } = shape;
  const inFlight = Math.min(workers, shards);
  const hessians = hessiansOf(shape);
  const merged = statesBytes(shape);
  const sketches = inFlight * channelsOf(description.taps) * sketchChannelBytes(Infinity);
  const statistics =
    combine === 'worker'
      ? merged + widestTap(description) * CHANNEL_BYTES + 2 * sketches
      : merged * statesAtOnce(shape) + inFlight * CONNECTION_BYTES + hessians.gathering;
  // As read, as f32 scores, and packed; f32 is rounded into a copy.
  const perWeight = weightBytes + (weightBytes === 4 ? 2 : 0) + 4 + 1 / 8;
  const linear = Math.max(
    0,
    ...pruned.map((each) => each.rows * each.cols * perWeight + packedBytes(each) + extra.stages.bytes(each)),
  );
  const outer = Math.max(
    0,
    ...description.outerTensors.map(({ shape: size }) => product(size) * weightBytes),
  );
  return Math.ceil(
    PRUNER_SLACK *
      (PROCESS_BYTES +
        extra.processBytes +
        Math.max(calibrates ? statistics : 0, hessians.solving + linear, outer)),
  );
}

/** What Hessians take of the pruner: memory up to a bound, and a temporary file beyond it. */
export function hessiansOf(shape: MemoryShape): HessianCost {
  const { description, seqlen, extra } = shape;
  const taps = description.taps.map(({ channels }) => channels);
  return extra.hessians({ taps, states: statesAtOnce(shape), seqlen });
}

/** The most that a worker holds: one block as f32, a linear as it is read, and the activations of some sequences. */
export function workerMemory(shape: MemoryShape): number {
  const { description, seqlen, sequences, combine, needsDense, weightBytes } = shape;
  const weights = description.linears.map(({ rows, cols }) => rows * cols);
  const block = 4 * sum(weights) + weightBytes * Math.max(...weights);
  // Where the dense model's go along, those of the other wait for them.
  const held = SEQUENCES + (needsDense ? 2 : 1);
  const activations = 4 * seqlen * (channelsOf(description.taps) + 4 * description.hidden) * held;
  const boundary = (needsDense ? 4 : 3) * 4 * sequences * seqlen * description.hidden;
  const statistics = combine === 'worker' ? statesBytes(shape) * 1.5 : CONNECTION_BYTES;
  return Math.ceil(WORKER_SLACK * (PROCESS_BYTES + block + activations + boundary + statistics));
}

/** Bytes that one channel takes at most in a sketch of so many tokens. */
export function sketchChannelBytes(tokens: number): number {
  return Math.min(SKETCH_CHANNEL_BYTES, 64 + SKETCH_TOKEN_BYTES * tokens);
}

/** Channels of all taps. */
export function channelsOf(taps: readonly TapSpec[]): number {
  return sum(taps.map(({ channels }) => channels));
}

/** Amplitude and entropy of one block, with the rows that wait. */
function statesBytes({ description, seqlen, sequences }: MemoryShape): number {
  const waiting = 4 * Math.min(WAITING_ROWS, seqlen * sequences);
  return channelsOf(description.taps) * (CHANNEL_BYTES + waiting);
}

/** Those of shards under way, one that is being merged, and the one that they are merged into. */
function statesAtOnce({ workers, shards }: MemoryShape): number {
  return Math.min(workers + 2, shards);
}

function widestTap({ taps }: ModelDescription): number {
  return Math.max(...taps.map(({ channels }) => channels));
}

function product(shape: readonly number[]): number {
  return shape.reduce((all, length) => all * length, 1);
}
