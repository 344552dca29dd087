import { BLOCK_OUTPUT } from '@esparse/model';
import type { TapOptions, TapOutput } from '@esparse/onnx';
import type { BlockTarget } from '../compute.ts';
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
  return (hidden: Float32Array, options: TapOptions, sequences = 1): Promise<TapOutput[]> =>
    counted(parts, target, sequences, parts.compute.call('taps', { target, hidden, options }));
}

/** The same for what the block itself gives, by the name of that value, as if it were a tap. */
export function outputOf(parts: WorkerParts, target: BlockTarget) {
  const advance = advanceOf(parts, target);
  return async (hidden: Float32Array, _: TapOptions, sequences = 1): Promise<TapOutput[]> => {
    const rows = sequences * target.seqlen;
    const channels = hidden.length / rows;
    return [{ tap: BLOCK_OUTPUT, rows, channels, data: await advance(hidden, sequences) }];
  };
}

/** Gives a block's output over what is run at once, counted. */
export function advanceOf(parts: WorkerParts, target: BlockTarget) {
  return (hidden: Float32Array, sequences = 1): Promise<Float32Array> =>
    counted(parts, target, sequences, parts.compute.call('advance', { target, hidden }));
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
