import type { HiddenStates, RunHiddenStates } from '@esparse/store';

/** Where the dense model's hidden states before a block are: before the first, those of both models are the same. */
export function denseStates({ hidden, hiddenDense }: RunHiddenStates, block: number): HiddenStates {
  return block === 0 ? hidden : hiddenDense;
}
