import { EsparseError } from '@esparse/errors';

/** The error of a Hessian that is not finite or not positive: the inputs say too little of the weights. */
export function notPositive(): EsparseError {
  return new EsparseError(
    'numeric',
    'the inputs’ Hessian is not positive: their weights cannot be solved for',
  );
}
