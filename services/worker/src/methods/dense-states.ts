import { EsparseError } from '@esparse/errors';
import type { HiddenStates, RunHiddenStates } from '@esparse/store';
import type { ShardStates } from '../activations.ts';

/** Where the dense model's hidden states before a block are: before the first, those of both models are the same. */
export function denseStates({ hidden, hiddenDense }: RunHiddenStates, block: number): HiddenStates {
  return block === 0 ? hidden : hiddenDense;
}

/** Refuses hidden states that are not of the same sequences. */
export function requireSameShape(own: ShardStates | undefined, other: ShardStates | undefined): void {
  if (own === undefined || other === undefined || own.shape.join() === other.shape.join()) return;
  throw new EsparseError(
    'store',
    `hidden states of [${own.shape.join()}] beside dense ones of [${other.shape.join()}]`,
  );
}
