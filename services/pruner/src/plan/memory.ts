import { LENT_BYTES } from '@esparse/kernels';
import type { HeldCost } from '@esparse/sparsity';
import { amplitude, entropy } from '@esparse/statistics';
import type { TapSpec } from '@esparse/model';
import type { PatternedLinear } from '../layers.ts';
import { tapGroups } from '../tap-groups.ts';
import type { PluginCosts } from './costs.ts';
import { blockShape } from './block-shape.ts';
import { packedBytes } from './store-bytes.ts';
import { product, sum } from './sum.ts';
import { sketchChannelBytes } from './traffic.ts';
import { channelsOf, expertTaps, routedChannels, type Workload } from './workload.ts';

const MIB = 2 ** 20;

/** A process with all its libraries and no model: 180 to 215 MiB were seen of either. */
const PROCESS_BYTES = 230 * MIB;
/** What ONNX Runtime keeps between runs, beside the values that are counted: up to 24 MiB were seen. */
const RUNTIME_BYTES = 32 * MIB;
/**
 * Of the calibration text while it is tokenized, in a process of its own: its bytes, the text and its tokens, twice. Texts of
 * 30 and 120 MB took 2 to 5 for each of theirs beyond an idle process.
 */
const TEXT_FACTOR = 6;
/** A connection's HTTP/2 window, and the tiles that are with the operators. */
const CONNECTION_BYTES = 16 * MIB;
/** Sequences whose activations a worker holds: one that is sent, and those that are made meanwhile. */
const SEQUENCES = 3;
/** A weight as an integer of 8 bits, with a scale for 32: in pieces, and as one matrix. */
const INTEGER_BYTES = 2 * (1 + 2 / 32);
/** The piece of a matrix that is rounded, as f32 and as integers. */
const ROUNDING_BYTES = 32 * MIB;
/** Memory that is garbage but not collected yet, as a factor. */
const PRUNER_SLACK = 1.05;
const WORKER_SLACK = 1.15;

/**
 * The most that the pruner holds: the text, then statistics, then one linear at a time and the next one's weights, and once the largest
 * tensor that stays.
 *
 * @param linears that are worked on at once: see `linearsAtOnce`
 */
export function prunerMemory(workload: Workload, costs: PluginCosts, textBytes = 0, linears = 1): number {
  const held = heldOf(workload, costs);
  const statistics = workload.calibrates ? gatheringBytes(workload, costs) + held.gathering : 0;
  // The weights of the next ones are read meanwhile, those of the first where statistics are gathered.
  const weights = Math.max(0, ...workload.pruned.map(({ rows, cols }) => rows * cols * workload.weightBytes));
  const next = Math.max(1, linears - 2) * weights;
  const largest = Math.max(0, ...workload.pruned.map((each) => linearBytes(each, workload, costs)));
  const linear = next + linears * largest;
  // With block stages the linears of a block wait for each other, packed, and go through them together. Of those that devices
  // have, some wait until others are written.
  const waiting =
    workload.blockStages || linears > 1
      ? sum(prunedLargest(workload).map((linear) => packedBytes(linear)))
      : 0;
  const rounding = (weights: number) =>
    weights === 0 ? 0 : ROUNDING_BYTES + weights * (workload.weightBytes + INTEGER_BYTES);
  const dense = rounding(workload.rounded.linear);
  const tuning = waiting + costs.blockStages(blockShape(workload)).pruner + dense;
  const outer = Math.max(
    rounding(workload.rounded.outer),
    ...workload.description.outerTensors.map(({ shape }) => product(shape) * workload.weightBytes),
  );
  const gathering = statistics + (linears > 1 ? next : 0);
  // Memory of linears waits for those of the next block where devices prune them, whatever comes in between.
  const lent = linears > 1 ? LENT_BYTES : 0;
  const working = lent + Math.max(gathering, held.pruning + linear + waiting, tuning, outer);
  const most = Math.max(TEXT_FACTOR * textBytes, working);
  return Math.ceil(PRUNER_SLACK * (PROCESS_BYTES + held.run + most));
}

/** What stages hold of the pruner beside their work: memory, and a temporary file. */
export function heldOf(workload: Workload, costs: PluginCosts): Required<HeldCost> {
  const { largest, seqlen } = workload;
  const taps = largest.taps.map(({ channels }) => channels);
  return costs.held({ taps, states: statesAtOnce(workload), seqlen });
}

/** The most that a worker holds: one block as f32, of whose experts one, a linear as it is read, and the activations of some sequences. */
export function workerMemory(workload: Workload, costs: PluginCosts): number {
  const { description, largest, seqlen, calibrates, combine, needsDense, weightBytes } = workload;
  const tuned = costs.blockStages(blockShape(workload)).worker;
  const held = largest.linears.filter(({ expert = 0 }) => expert === 0);
  const weights = held.map(({ rows, cols }) => rows * cols);
  const block = 4 * sum(weights) + weightBytes * Math.max(...weights);
  // Where the dense model's activations are sent, too, a sequence is sent once it was run in both models: until then
  // those of the pruned model are held, as one sequence more.
  const sequences = SEQUENCES + (needsDense ? 2 : 1);
  const channels = sequenceChannels(workload, costs) + 4 * description.hidden;
  const activations = 4 * seqlen * channels * sequences;
  const boundary = (needsDense ? 4 : 3) * 4 * workload.shards[0]!.sequences * seqlen * description.hidden;
  const statistics =
    calibrates && combine === 'worker' ? stateBytes(workload, costs) * 1.5 : CONNECTION_BYTES;
  // What ran before is dropped by then, but its memory may not have been given back.
  const running = block + activations + boundary + statistics;
  return Math.ceil(WORKER_SLACK * (PROCESS_BYTES + RUNTIME_BYTES + running + tuned));
}

/** Linears that are pruned of the block that has most weights. */
function prunedLargest({ pruned, largest }: Workload): readonly PatternedLinear[] {
  const names = new Set(largest.linears.map(({ name }) => name));
  // Of a block all, of which there may be as many of one name as there are blocks.
  return [...new Map(pruned.filter(({ name }) => names.has(name)).map((each) => [each.name, each])).values()];
}

/** Channels of the activations of one sequence, at most: in a second pass every expert of a group has all of its tokens. */
function sequenceChannels(workload: Workload, costs: PluginCosts): number {
  const { largest, routed, starves } = workload;
  const again = starves ? groupsOf(workload, costs).map((group) => channelsOf(expertTaps(group))) : [];
  return Math.max(routedChannels(largest.taps, routed), ...again);
}

/** States while shards are gathered and merged; where workers gather, their sketches. */
function gatheringBytes(workload: Workload, costs: PluginCosts): number {
  const { largest, combine, busy } = workload;
  if (combine === 'pruner')
    return stateBytes(workload, costs) * statesAtOnce(workload) + busy * CONNECTION_BYTES;
  const widest = Math.max(...largest.taps.map(({ channels }) => channels));
  const sketches = busy * channelsOf(largest.taps) * sketchChannelBytes(Infinity);
  // One state of one tap is unpacked at a time: no rows wait in it to be counted.
  const unpacked = tapBytes({ channels: widest, seqlen: workload.seqlen, sequences: 0 }, costs);
  return stateBytes(workload, costs) + unpacked + 2 * sketches;
}

/** One linear: as read, as f32 scores, and packed, beside what shuffle or stages take. */
function linearBytes(linear: PatternedLinear, { weightBytes }: Workload, costs: PluginCosts): number {
  // f32 is rounded into a copy.
  const perWeight = weightBytes + (weightBytes === 4 ? 2 : 0) + 4 + 1 / 8;
  // Nothing is packed yet while the order is found.
  const beside = Math.max(costs.shuffle(linear), packedBytes(linear) + costs.stages(linear).bytes);
  return linear.rows * linear.cols * perWeight + beside;
}

/** One state of each statistic at each tap of a block that is gathered at once. */
function stateBytes(workload: Workload, costs: PluginCosts): number {
  const { seqlen, shards } = workload;
  const { sequences } = shards[0]!;
  const bytes = ({ channels }: TapSpec) => tapBytes({ channels, seqlen, sequences }, costs);
  return Math.max(...groupsOf(workload, costs).map((group) => sum(group.map(bytes))));
}

/** The taps of a block in groups that are gathered at once, by what their statistics say that they take. */
function groupsOf({ largest, seqlen, shards }: Workload, costs: PluginCosts): ReturnType<typeof tapGroups> {
  const { sequences } = shards[0]!;
  return tapGroups(largest.taps, ({ channels }) => costs.tap({ channels, seqlen, sequences }).bytes);
}

/**
 * The states of all statistics at one tap, and at least as much as amplitude and entropy take together: the figures
 * above were measured in runs that gather both, so a pipeline that gathers less is planned with memory to spare.
 */
function tapBytes(tap: Parameters<PluginCosts['tap']>[0], costs: PluginCosts): number {
  const usual = sum([amplitude, entropy].map((statistic) => statistic.cost?.(tap).bytes ?? 0));
  return Math.max(usual, costs.tap(tap).bytes);
}

/** Those of shards under way, one that is being merged, and the one that they are merged into. */
function statesAtOnce({ workers, shards }: Workload): number {
  return Math.min(workers + 2, shards.length);
}
