import { crc32c } from '@node-rs/crc32';
import { EsparseError } from '@esparse/errors';

/** Arrays by what they hold, such as 'weights'. */
export type LentArrays = Readonly<Record<string, ArrayBufferView>>;

/**
 * Arrays that a plug-in is lent: the steps after it work on the same memory, so what it writes there would be stored, and
 * nothing would tell.
 *
 * @returns throws EsparseError 'usage' where one has been written to since, naming it
 */
export function untouched(arrays: LentArrays): () => void {
  const before = Object.entries(arrays).map(([name, array]) => ({ name, array, sum: sumOf(array) }));
  return () => {
    const changed = before.find(({ array, sum }) => sumOf(array) !== sum);
    if (changed === undefined) return;
    throw new EsparseError('usage', `it has written to the ${changed.name} that it was given`, {
      hint: `change a copy, and give that back: ${changed.name}.slice()`,
    });
  };
}

function sumOf({ buffer, byteOffset, byteLength }: ArrayBufferView): number {
  return crc32c(new Uint8Array(buffer, byteOffset, byteLength));
}
