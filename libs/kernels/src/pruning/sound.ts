import { addon } from '../addon.ts';
import type { HalfDtype } from '../runtime/widen.ts';

/** So few are looked at in less time than a job takes to begin. */
const FEW = 4096;

/** The first of some 16-bit numbers that is none, or infinite; -1 where all are finite. Of few at once. */
export function findInfinite(dtype: HalfDtype, halves: Uint16Array): number | Promise<number> {
  const native = addon();
  if (native === null || halves.length < FEW) return findInfiniteReference(dtype, halves);
  return native
    .checkHalves({ dtype, halves })
    .then((finite) => (finite ? -1 : findInfiniteReference(dtype, halves)));
}

/** The readable version of `findInfinite`. */
export function findInfiniteReference(dtype: HalfDtype, halves: Uint16Array): number {
  const exponent = dtype === 'bf16' ? 0x7f80 : 0x7c00;
  return halves.findIndex((bits) => (bits & exponent) === exponent);
}

/** Whether all of some bytes are among those for which a table of 256 has a 1. Of few at once. */
export function areAmong(bytes: Uint8Array, table: Uint8Array): boolean | Promise<boolean> {
  const native = addon();
  if (native === null || bytes.length < FEW) return areAmongReference(bytes, table);
  return native.checkBytes({ bytes, sound: table });
}

/** The readable version of `areAmong`. */
export function areAmongReference(bytes: Uint8Array, table: Uint8Array): boolean {
  return bytes.every((byte) => table[byte] === 1);
}
