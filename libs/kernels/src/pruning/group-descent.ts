import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { groupDescentReference } from './group-descent-reference.ts';

/** A block of columns of some rows, in the order in which their groups are formed. Matrices are row-major. */
export interface GroupDescentProblem {
  readonly rows: number;
  /** Columns of the block: a multiple of the group. */
  readonly width: number;
  readonly keep: number;
  readonly group: number;
  /** (choices, keep): the ways to keep N of M, as positions in the group. */
  readonly places: Int32Array;
  /** (groups, choices, keep, keep): the inverse of what each choice keeps of the group's Hessian. */
  readonly inverses: Float64Array;
  /** (width, width): the Hessian of the block, damped. */
  readonly hessian: Float32Array;
  /** (rows, width): the weights, zero where pruned; changed. */
  readonly weights: Float32Array;
  /** (rows, width): half the error's gradient by the weights; changed along with them. */
  readonly gradient: Float32Array;
}

/**
 * Group-wise coordinate descent on a linear's squared error: row by row, each group in turn takes, of all ways to keep N
 * of M, the one with the least error, all other groups as they are, and its best weights. The error never grows.
 */
export async function groupDescent(problem: GroupDescentProblem): Promise<void> {
  const { rows, width, keep, group, places, inverses, hessian, weights, gradient } = problem;
  const fits =
    width % group === 0 &&
    places.length % keep === 0 &&
    places.every((place) => place >= 0 && place < group) &&
    inverses.length === (width / group) * places.length * keep &&
    hessian.length === width * width &&
    weights.length === rows * width &&
    gradient.length === rows * width;
  if (!fits) throw new EsparseError('usage', 'groupDescent: its arrays do not fit one another');
  const native = addon();
  if (native === null) groupDescentReference(problem);
  else await native.groupDescent(problem);
}
