import { statisticsOf } from '@esparse/dataflow';
import type { BlockStage } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';

/** Whether anything of a pipeline needs hidden states: else no block is run. */
export function needsHiddenStates(
  readers: ReadonlySet<StatisticReader>,
  blockStages: readonly BlockStage[],
): boolean {
  return readers.size > 0 || blockStages.some(({ states }) => states !== 'none');
}

/** Whether it needs those of the dense model, too. */
export function needsDenseStates(
  readers: ReadonlySet<StatisticReader>,
  blockStages: readonly BlockStage[],
): boolean {
  return (
    statisticsOf(readers).some(({ needsDense }) => needsDense === true) ||
    blockStages.some(({ states }) => states === 'both')
  );
}
