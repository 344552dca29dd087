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
  readonly metrics?: Pick<WorkerMetrics, 'sequence'> | undefined;
}

/** Gives the inputs of a block's linears over one sequence at a time, counted. */
export function tapsOf(parts: WorkerParts, target: BlockTarget) {
  return (hidden: Float32Array, options: TapOptions): Promise<TapOutput[]> =>
    counted(parts, target, parts.compute.call('taps', { target, hidden, options }));
}

/** The same for what the block itself gives, by the name of that value, as if it were a tap. */
export function outputOf(parts: WorkerParts, target: BlockTarget) {
  const advance = advanceOf(parts, target);
  return async (hidden: Float32Array): Promise<TapOutput[]> => {
    const rows = target.seqlen;
    const channels = hidden.length / rows;
    return [{ tap: BLOCK_OUTPUT, rows, channels, data: await advance(hidden) }];
  };
}

/** Gives a block's output over one sequence at a time, counted. */
export function advanceOf(parts: WorkerParts, target: BlockTarget) {
  return (hidden: Float32Array): Promise<Float32Array> =>
    counted(parts, target, parts.compute.call('advance', { target, hidden }));
}

async function counted<R>({ metrics }: WorkerParts, { block }: BlockTarget, result: Promise<R>): Promise<R> {
  const value = await result;
  metrics?.sequence(block);
  return value;
}
