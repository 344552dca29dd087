import { EsparseError } from '@esparse/errors';

/** @param wrong the first tile * groups + group whose indices are no N:M choice */
export function damagedIndices(wrong: number, groups: number): EsparseError {
  const [tile, group] = [Math.floor(wrong / groups), wrong % groups];
  return new EsparseError('store', `packed weights are damaged: tile ${tile}, group ${group}`, {
    hint: 'its indices are not an N:M choice in ascending order; verify the store',
    context: { tile, group },
  });
}
