import { widen } from '@esparse/kernels';
import { areF32, BLOCK_OUTPUT, type HiddenValues, type TapOptions, type TapOutput } from '@esparse/model';
import type { HiddenStates, StoredHiddenShard } from '@esparse/store';
import type { BlockTarget } from '../compute-inputs.ts';
import type { WorkerMetrics } from '../metrics.ts';
import type { OpenRun } from '../open-run.ts';
import type { ComputeThread } from '../start-compute.ts';

/** What the methods of a worker are made of. */
export interface WorkerParts {
  readonly openRun: OpenRun;
  readonly compute: Pick<ComputeThread, 'call'>;
  /** Whether the device runs a block over all sequences of a shard at once. @default false */
  readonly wholeShards?: boolean | undefined;
  readonly metrics?: Pick<WorkerMetrics, 'sequence'> | undefined;
}

/** Gives the inputs of a block's linears over what is run at once, counted. */
export function tapsOf(parts: WorkerParts, target: BlockTarget) {
  return (hidden: HiddenValues, options: TapOptions, sequences = 1): Promise<TapOutput[]> =>
    counted(parts, target, sequences, parts.compute.call('taps', { target, hidden, sequences, options }));
}

/** The same for what the block itself gives, by the name of that value, as if it were a tap. */
export function outputOf(parts: WorkerParts, target: BlockTarget) {
  const advance = advanceOf(parts, target);
  return async (hidden: HiddenValues, _: TapOptions, sequences = 1): Promise<TapOutput[]> => {
    const rows = sequences * target.seqlen;
    const channels = hidden.length / rows;
    const output = await advance(hidden, sequences);
    const data = areF32(output) ? output : await widen('bf16', output);
    return [{ tap: BLOCK_OUTPUT, rows, channels, data }];
  };
}

/** Gives a block's output over what is run at once, counted. */
export function advanceOf(parts: WorkerParts, target: BlockTarget) {
  return (hidden: HiddenValues, sequences = 1): Promise<HiddenValues> =>
    counted(parts, target, sequences, parts.compute.call('advance', { target, hidden, sequences }));
}

async function counted<R>(
  { metrics }: WorkerParts,
  { block }: BlockTarget,
  sequences: number,
  result: Promise<R>,
): Promise<R> {
  const value = await result;
  for (let s = 0; s < sequences; s++) metrics?.sequence(block);
  return value;
}

/** Reads hidden states as the device takes them: those that run whole shards compute in bf16. */
export function readStates(
  { wholeShards }: WorkerParts,
  states: HiddenStates,
): (block: number, shard: number, signal?: AbortSignal) => Promise<StoredHiddenShard> {
  return wholeShards === true ? states.readStored : states.read;
}
