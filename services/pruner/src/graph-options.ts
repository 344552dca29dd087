import { EsparseError } from '@esparse/errors';
import type { GraphDescription } from '@esparse/model';
import { formatPattern } from '@esparse/sparsity';
import type { Layers } from './layers.ts';
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

/** @throws EsparseError 'unsupported' where every matrix would be left dense */
export function requirePruned(
  { graph: { linears, steps } }: GraphDescription,
  layers: Layers,
  { model, pattern }: Pick<PruneOptions, 'model' | 'pattern'>,
): void {
  if (steps.some((_, step) => layers.pruned(step).length > 0)) return;
  const named = linears.slice(0, 3).map(({ name, cols, inner = cols }) => `${name} (${inner})`);
  throw new EsparseError(
    'unsupported',
    `nothing of ${model} would be pruned to ${formatPattern(pattern)}: the group divides the input channels of no matrix that no rule leaves dense: ${named.join(', ')}`,
    { hint: 'a pattern of a smaller group may fit, such as --pattern 1:2' },
  );
}
