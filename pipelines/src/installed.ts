import { EsparseError } from '@esparse/errors';
import type { Pipeline } from '@esparse/sparsity';
import { eSparseReconstructPipeline } from './e-sparse-reconstruct.ts';
import { eSparseReconstructTunePipeline } from './e-sparse-reconstruct-tune.ts';
import { eSparseTunePipeline } from './e-sparse-tune.ts';
import { eSparsePipeline } from './e-sparse.ts';
import { magnitudePipeline } from './magnitude.ts';
import { riaLsaPipeline } from './ria-lsa.ts';
import { riaPipeline } from './ria.ts';
import { sparseGptPipeline } from './sparsegpt.ts';
import { wandaLsaPipeline } from './wanda-lsa.ts';
import { wandaPipeline } from './wanda.ts';

const ALL: readonly Pipeline[] = [
  eSparsePipeline,
  eSparseReconstructPipeline,
  eSparseTunePipeline,
  eSparseReconstructTunePipeline,
  riaPipeline,
  riaLsaPipeline,
  wandaPipeline,
  wandaLsaPipeline,
  sparseGptPipeline,
  magnitudePipeline,
];

/** The pipelines that come with esparse, by name. */
export const PIPELINES: ReadonlyMap<string, Pipeline> = new Map(
  ALL.map((pipeline) => [pipeline.name, pipeline]),
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
