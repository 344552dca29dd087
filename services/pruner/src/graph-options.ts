import { EsparseError } from '@esparse/errors';
import type { PruneOptions } from './options.ts';

/** @throws EsparseError 'unsupported' for what only language models have */
export function requireForGraphs({
  pipeline,
  denseValues,
}: Pick<PruneOptions, 'pipeline' | 'denseValues'>): void {
  const [stage] = pipeline.blockStages;
  if (stage !== undefined) {
    throw new EsparseError('unsupported', `${stage.name} is not for graphs: their gradient is not known`, {
      hint: 'a pipeline of metric, shuffle and stages of linears prunes graphs, such as e-sparse or e-sparse-reconstruct',
    });
  }
  if (denseValues !== undefined) {
    throw new EsparseError('unsupported', 'matrices of a graph that are not pruned stay as they are', {
      hint: 'leave --dense-values out',
    });
  }
}
