import { EsparseError } from '@esparse/errors';
import { crc32c } from '@esparse/kernels';
import { andThen, type NowOrLater } from './now-or-later.ts';

/** Arrays that a plug-in may read and must not write, by what they hold, such as 'weights'. */
export type BorrowedArrays = Readonly<Record<string, ArrayBufferView>>;

/**
 * Guards arrays that a plug-in borrows. The steps after it work on the same memory: what it wrote there would be stored,
 * and nothing would show it.
 *
 * @returns throws EsparseError 'usage' where an array has been written to since, naming it
 */
export function writeGuard(arrays: BorrowedArrays): NowOrLater<() => NowOrLater<void>> {
  const all = Object.entries(arrays);
  return andThen(
    checksumsOf(all),
    (before) => () =>
      andThen(checksumsOf(all), (after) => {
        const changed = all.find((_, i) => after[i] !== before[i]);
        if (changed === undefined) return;
        const [name] = changed;
        throw new EsparseError('usage', `it has written to the ${name} that it was given`, {
          hint: `change a copy, and give that back: ${name}.slice()`,
        });
      }),
  );
}

function checksumsOf(arrays: readonly (readonly [string, ArrayBufferView])[]): NowOrLater<number[]> {
  const sums = arrays.map(([, { buffer, byteOffset, byteLength }]) =>
    crc32c(new Uint8Array(buffer, byteOffset, byteLength)),
  );
  return sums.every((sum) => typeof sum === 'number')
    ? sums
    : Promise.all(sums.map((sum) => Promise.resolve(sum)));
}
