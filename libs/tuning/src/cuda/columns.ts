import type { Kernels } from './kernels.ts';
import type { Sum, Tensor } from './tensor.ts';

/** A matrix whose columns are added up, and memory for sums of parts of its rows. */
interface Columns {
  readonly rows: number;
  readonly columns: number;
  readonly parts: number;
}

/** Bytes of the sums of parts. */
export function columnBytes(rows: number, columns: number): number {
  return 4 * slicesOf(rows) * columns;
}

/**
 * The gradient of what every row has a part of: the sum of the rows of `given`, each times the row of x without mean and root, where
 * that is asked for.
 */
export function sumColumns(
  kernels: Kernels,
  { rows, columns, parts }: Columns,
  given: Tensor,
  to: Sum,
  by?: { readonly x: Tensor; readonly stats: number },
): void {
  const slices = slicesOf(rows);
  const { x, stats } = by ?? { x: { address: 0, type: 'f32' }, stats: 0 };
  kernels.parts('column_parts', columns, slices, [
    given,
    x,
    { pointer: stats },
    { pointer: parts },
    rows,
    columns,
  ]);
  kernels.elements('columns', columns, [
    ...[{ pointer: parts }, { pointer: to.address }, slices, columns, to.accumulate],
  ]);
}

/** Slices into which the rows are cut. */
function slicesOf(rows: number): number {
  return Math.min(256, Math.ceil(rows / 64));
}
