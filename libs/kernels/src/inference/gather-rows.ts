import { EsparseError } from '@esparse/errors';
import { numberAt, quantizedLayout, scaleAt } from '../runtime/quantized-layout.ts';
import { widenReference } from '../runtime/widen.ts';
import type { QuantizedWeights } from './linear.ts';

/** A matrix of row vectors as stored, row-major; 16-bit floats are held as their bits. */
export type RowTable =
  | { readonly dtype: 'bf16' | 'f16'; readonly data: Uint16Array; readonly cols: number }
  | { readonly dtype: 'f32'; readonly data: Float32Array; readonly cols: number };

/** A matrix whose rows can be gathered: as it was, or quantized. */
export type Table = RowTable | QuantizedWeights;

/** The readable version of `InferenceKernels.gatherRows`. */
export function gatherRowsReference(table: Table, rows: Uint32Array, count: number, y: Float32Array): void {
  if ('kind' in table) {
    gatherQuantizedRows(table, rows, count, y);
    return;
  }
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

/** Rows of a quantized matrix of which nothing is pruned: few numbers, which need no kernel. */
export function gatherQuantizedRows(
  table: QuantizedWeights,
  rows: Uint32Array,
  count: number,
  y: Float32Array,
): void {
  const { cols, bits, span, codes } = table;
  const layout = quantizedLayout(table);
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    if (row >= table.rows) throw new EsparseError('internal', `there is no row ${row}`);
    const scales = widenReference(
      'bf16',
      Uint16Array.from({ length: layout.spans }, (_, s) => table.scales[scaleAt(layout, row, s)]!),
    );
    for (let k = 0; k < cols; k++) {
      y[i * cols + k] = numberAt(codes, layout, bits, row, k) * scales[Math.floor(k / span)]!;
    }
  }
}
