import { addon } from '../addon.ts';
import { takeBack } from './lend.ts';

/**
 * A smaller array may share its memory with others: Node's pool has 8 KiB, and what comes from a socket lies in
 * pieces of 64 KiB that several messages share.
 */
const MIN_BYTES = 128 * 1024;

/**
 * Gives the memory of a large array back at once. The array, and every other view of the same memory, is empty from
 * then on: only its one owner may call this. Without it, streams of megabyte tiles make V8 collect its whole heap
 * every 64 MiB, which took a fifth of the processor in calibration. What was lent (see `lend`) keeps its length, but is
 * another's then.
 */
export function free(array: Float32Array | Uint32Array | Uint16Array | Uint8Array): void {
  if (array.byteLength < MIN_BYTES || takeBack(array)) return;
  addon()?.free(array);
}
