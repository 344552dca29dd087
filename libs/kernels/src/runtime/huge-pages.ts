import { addon } from '../addon.ts';

const HUGE_PAGE = 2 ** 21;

/**
 * The array given, its memory asked for in huge pages, where the system has them: for a large array that will be
 * written whole. A fresh page costs 1 to 2 µs on a virtual machine when it is first touched, and with 4 KiB pages that
 * is as much time as counting some thousand rows takes.
 */
export function inHugePages<T extends Float32Array | Uint32Array | Uint16Array | Uint8Array>(array: T): T {
  if (array.byteLength < HUGE_PAGE) return array;
  addon()?.hugePages(new Uint32Array(array.buffer, array.byteOffset, array.byteLength >>> 2));
  return array;
}
