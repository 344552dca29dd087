import { transposedBytes } from '@esparse/checkpoint';
import type { FilePart } from '@esparse/storage';
import type { NamedTensor } from './checkpoint-tensors.ts';

/**
 * What a file holds of a tensor whose parts follow one another: themselves or, where the checkpoint has them transposed,
 * all of them turned, in memory together.
 */
export function laidOut({ shape, transposed }: NamedTensor, parts: readonly FilePart[]): readonly FilePart[] {
  if (!transposed) return parts;
  const [columns = 1, rows = 1] = shape;
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return [
    {
      bytes,
      async read(signal) {
        const pieces: Uint8Array[] = [];
        for (const part of parts) pieces.push(await part.read(signal));
        return transposedBytes(pieces, columns, bytes / (rows * columns));
      },
    },
  ];
}
