import { EsparseError } from '@esparse/errors';
import { isGraph, kindOf, type AnyModel, type ModelDescription } from '@esparse/model';
import type { ConfiguredPipeline } from '@esparse/sparsity';
import type { PruneOptions } from './options.ts';
import { shapeOfBlock } from './plan/block-shape.ts';
import { pluginCosts } from './plan/costs.ts';

/** What the block stages of a run take for its largest block: bytes of a worker's memory, and at least of its GPU's. */
export interface StageBytes {
  readonly worker: number;
  readonly gpu: number;
}

/** What a worker says of its memory: 0 where it does not say, and where no GPU computes by CUDA. */
export interface WorkerMemory {
  readonly memoryBytes: number;
  readonly gpuBytes: number;
}

/** By what the stages say of themselves: see `cost`. */
export function blockStageBytes(
  pipeline: ConfiguredPipeline,
  model: AnyModel,
  { samples, seqlen }: Pick<PruneOptions, 'samples' | 'seqlen'>,
): StageBytes {
  // Graphs have no block stages.
  if (isGraph(model) || pipeline.blockStages.length === 0) return { worker: 0, gpu: 0 };
  const costs = pluginCosts(pipeline, []);
  const all = oneOfEachKind(model).map((block) =>
    costs.blockStages(shapeOfBlock(model, block, { samples, seqlen })),
  );
  return {
    worker: Math.max(...all.map(({ worker }) => worker)),
    gpu: Math.max(...all.map(({ gpu }) => gpu)),
  };
}

function oneOfEachKind({ blocks, program }: ModelDescription): number[] {
  const firsts = new Map<number, number>();
  for (let block = blocks - 1; block >= 0; block--) firsts.set(kindOf(program, block), block);
  return [...firsts.values()];
}

/** @throws EsparseError 'unsupported' where a worker has not the memory that they take */
export function requireFittingBlocks(
  { worker, gpu }: StageBytes,
  { memoryBytes, gpuBytes }: WorkerMemory,
  address: string,
): void {
  const onGpu = gpuBytes > 0;
  const [needed, there] = onGpu ? [gpu, gpuBytes] : [worker, memoryBytes];
  // Workers that do not say are believed.
  if (there === 0 || needed <= there) return;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new EsparseError(
    'unsupported',
    `the block stages take ${gib(needed)} for a block of this model, and the ${onGpu ? 'GPU of the ' : ''}worker at ${address} has ${gib(there)}`,
    { hint: 'use workers with more memory, shorter sequences, or a pipeline without tuning' },
  );
}
