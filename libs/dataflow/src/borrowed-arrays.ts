import { crc32c } from '@node-rs/crc32';
import { EsparseError } from '@esparse/errors';

/** Arrays that a plug-in may read and must not write, by what they hold, such as 'weights'. */
export type BorrowedArrays = Readonly<Record<string, ArrayBufferView>>;

/**
 * Guards arrays that a plug-in borrows. The steps after it work on the same memory: what it wrote there would be stored,
 * and nothing would show it.
 *
 * @returns throws EsparseError 'usage' where an array has been written to since, naming it
 */
export function writeGuard(arrays: BorrowedArrays): () => void {
  const before = Object.entries(arrays).map(([name, array]) => ({ name, array, sum: checksumOf(array) }));
  return () => {
    const changed = before.find(({ array, sum }) => checksumOf(array) !== sum);
    if (changed === undefined) return;
    throw new EsparseError('usage', `it has written to the ${changed.name} that it was given`, {
      hint: `change a copy, and give that back: ${changed.name}.slice()`,
    });
  };
}

function checksumOf({ buffer, byteOffset, byteLength }: ArrayBufferView): number {
  return crc32c(new Uint8Array(buffer, byteOffset, byteLength));
}
