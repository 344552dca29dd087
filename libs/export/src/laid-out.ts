import { fusedBytes, matricesOf } from '@esparse/checkpoint';
import type { FilePart } from '@esparse/storage';
import type { NamedTensor } from './checkpoint-tensors.ts';

/**
 * What a file holds of a tensor: its parts one after the other or, where the checkpoint has them transposed or among each
 * other, the parts of a matrix put together, in memory together.
 */
export function laidOut({ fused }: NamedTensor, parts: readonly FilePart[]): readonly FilePart[] {
  if (fused === undefined || !(fused.transposed === true || fused.interleaved === true)) return parts;
  const { count, rows, columns, parts: each } = matricesOf(fused);
  return Array.from({ length: count }, (_, matrix) => {
    const own = parts.slice(matrix * each, (matrix + 1) * each);
    const bytes = own.reduce((sum, part) => sum + part.bytes, 0);
    return {
      bytes,
      async read(signal) {
        const pieces: Uint8Array[] = [];
        for (const part of own) pieces.push(await part.read(signal));
        return fusedBytes(fused, pieces, bytes / (rows * (columns[0] ?? 1)));
      },
    };
  });
}
