import { from, map, type OperatorFunction } from 'rxjs';
import { maskLinear } from '@esparse/sparsity';
import { enrich } from './enrich.ts';
import type { MaskedLinear, ShuffledLinear } from './linear.ts';

/** Keeps the N largest scores of every group of M inputs, row by row, in the shuffled order. */
export function mask(): OperatorFunction<ShuffledLinear, MaskedLinear> {
  return enrich((linear) =>
    from(maskLinear(linear, linear.order.permutation, linear.pattern)).pipe(map((kept) => ({ mask: kept }))),
  );
}
