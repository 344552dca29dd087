import { allocate } from '@esparse/storage';
import { matricesOf, type FusedTensor } from './fused-tensor.ts';
import { elementsOf } from './views.ts';

/**
 * The bytes of one matrix of a fused tensor, as a file has them from which its parts are read.
 *
 * @param parts those of the matrix, each (its rows x columns), row-major
 * @param size bytes of an element
 */
export function fusedBytes(fused: FusedTensor, parts: readonly Uint8Array[], size: number): Uint8Array {
  const { interleaved = false, transposed = false } = fused;
  const { rows, columns } = matricesOf(fused);
  const width = columns[0] ?? 1;
  const out = allocate(rows * width * size);
  const result = elementsOf(size, out);
  const [rowStride, columnStride] = transposed ? [1, rows] : [width, 1];
  let before = 0;
  for (const [i, bytes] of parts.entries()) {
    const part = elementsOf(size, bytes);
    const height = part.length / width;
    const [first, step] = interleaved ? [i, parts.length] : [before, 1];
    before += height;
    for (let c = 0; c < width; c++) {
      const to = first * rowStride + c * columnStride;
      for (let r = 0; r < height; r++) result[to + r * step * rowStride] = part[r * width + c]!;
    }
  }
  return out;
}
