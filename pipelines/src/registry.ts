import { EsparseError } from '@esparse/errors';
import { eSparseReconstructPipeline } from './e-sparse-reconstruct.ts';
import { eSparsePipeline } from './e-sparse.ts';
import { magnitudePipeline } from './magnitude.ts';
import type { Pipeline } from './pipeline.ts';
import { riaPipeline } from './ria.ts';
import { wandaPipeline } from './wanda.ts';

/** The pipelines that come with esparse, by name. */
export const PIPELINES: ReadonlyMap<string, Pipeline> = new Map(
  [eSparsePipeline, eSparseReconstructPipeline, riaPipeline, wandaPipeline, magnitudePipeline].map(
    (pipeline) => [pipeline.name, pipeline],
  ),
);

/** @throws EsparseError `usage`, listing the pipelines, where the name is not among them. */
export function pipelineNamed(name: string): Pipeline {
  const pipeline = PIPELINES.get(name);
  if (pipeline === undefined) {
    throw new EsparseError('usage', `there is no pipeline ${name}`, {
      hint: `choose one of ${[...PIPELINES.keys()].join(', ')}`,
    });
  }
  return pipeline;
}
