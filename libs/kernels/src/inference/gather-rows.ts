import { EsparseError } from '@esparse/errors';
import { widenReference } from '../runtime/widen.ts';

/** A matrix of row vectors as stored, row-major; 16-bit floats are held as their bits. */
export type RowTable =
  | { readonly dtype: 'bf16' | 'f16'; readonly data: Uint16Array; readonly cols: number }
  | { readonly dtype: 'f32'; readonly data: Float32Array; readonly cols: number };

/** The readable version of `InferenceKernels.gatherRows`. */
export function gatherRowsReference(
  table: RowTable,
  rows: Uint32Array,
  count: number,
  y: Float32Array,
): void {
  const { dtype, data, cols } = table;
  for (let i = 0; i < count; i++) {
    const from = rows[i]! * cols;
    if (from + cols > data.length) throw new EsparseError('internal', `there is no row ${rows[i]!}`);
    const row =
      dtype === 'f32'
        ? data.subarray(from, from + cols)
        : widenReference(dtype, data.subarray(from, from + cols));
    y.set(row, i * cols);
  }
}
