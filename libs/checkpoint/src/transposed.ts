import { EsparseError } from '@esparse/errors';
import { allocate } from '@esparse/storage';
import type { CheckpointFile } from './checkpoint-file.ts';
import { bytesPerElement, type TensorInfo } from './tensor-info.ts';
import { elementsOf } from './views.ts';

/** Bytes of the file that are in memory beside the result: they stay in the processor's cache while they are turned. */
const PIECE_BYTES = 1024 * 1024;

/**
 * Reads some columns of a matrix as rows: (count x rows of the matrix). The matrix is read once from its beginning to its
 * end, a piece of whole rows at a time.
 */
export async function readColumns(
  source: CheckpointFile,
  { name, shape, dtype, begin, transposed }: TensorInfo,
  first: number,
  count: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const rows = shape[1];
  if (transposed === undefined || rows === undefined) {
    throw new EsparseError('internal', `tensor ${name} is not stored transposed`);
  }
  const size = bytesPerElement(dtype);
  const rowBytes = transposed.columns * size;
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  const out = allocate(count * rows * size);
  const result = elementsOf(size, out);
  for (let row = 0; row < rows; row += rowsAtOnce) {
    const height = Math.min(rowsAtOnce, rows - row);
    const piece = elementsOf(size, await source.read(begin + row * rowBytes, height * rowBytes, signal));
    for (let c = 0; c < count; c++) {
      const [from, to] = [first + c, c * rows + row];
      for (let r = 0; r < height; r++) result[to + r] = piece[r * transposed.columns + from]!;
    }
  }
  return out;
}

/**
 * The transposed matrix (columns x all rows) of some matrices below one another, as a file has it from which `readColumns`
 * reads them.
 *
 * @param matrices each (its rows x columns), row-major
 * @param size bytes of an element
 */
export function transposedBytes(matrices: readonly Uint8Array[], columns: number, size: number): Uint8Array {
  const parts = matrices.map((bytes) => elementsOf(size, bytes));
  const rows = parts.reduce((sum, { length }) => sum + length / columns, 0);
  const out = allocate(rows * columns * size);
  const result = elementsOf(size, out);
  let first = 0;
  for (const part of parts) {
    const height = part.length / columns;
    for (let c = 0; c < columns; c++) {
      const to = c * rows + first;
      for (let r = 0; r < height; r++) result[to + r] = part[r * columns + c]!;
    }
    first += height;
  }
  return out;
}
