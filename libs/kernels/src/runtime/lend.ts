import { addon } from '../addon.ts';
import { inHugePages } from './huge-pages.ts';

/** Bytes that wait to be lent again, at most. */
export const LENT_BYTES = 512 * 2 ** 20;

/** What is smaller is not freed, either. */
const MIN_BYTES = 128 * 1024;

/** Arrays that are lent: they are known themselves, not by their memory, which is another's once it was lent again. */
const lent = new WeakSet<ArrayBufferView>();
const buffers = new WeakSet<ArrayBufferLike>();
/** Memory that came back, the oldest first. */
const spare: ArrayBuffer[] = [];
let spareBytes = 0;

/**
 * An array with anything in it, for one owner, who gives it back by `free`, after which its memory is lent to the next. New memory has
 * V8 collect its whole heap for each 64 MB, the system clear it, and its end take as long: with gigabytes for each block of a model
 * that is a tenth of a second and more.
 */
export function lend(length: number): Uint16Array<ArrayBuffer> {
  const bytes = 2 * length;
  if (bytes < MIN_BYTES) return new Uint16Array(length);
  const at = spare.findIndex(({ byteLength }) => byteLength === bytes);
  const array = at < 0 ? fresh(bytes) : new Uint16Array(spare.splice(at, 1)[0]!);
  if (at >= 0) spareBytes -= bytes;
  lent.add(array);
  return array;
}

/** Takes an array back. @returns whether its memory is, or was, lent: nobody else frees it */
export function takeBack(array: ArrayBufferView): boolean {
  const { buffer } = array;
  if (!lent.delete(array)) return buffers.has(buffer);
  spare.push(buffer as ArrayBuffer);
  spareBytes += buffer.byteLength;
  while (spareBytes > LENT_BYTES) {
    const oldest = new Uint8Array(spare.shift()!);
    spareBytes -= oldest.byteLength;
    addon()?.free(oldest);
  }
  return true;
}

function fresh(bytes: number): Uint16Array<ArrayBuffer> {
  const array = inHugePages(new Uint16Array(Buffer.allocUnsafeSlow(bytes).buffer));
  buffers.add(array.buffer);
  return array;
}
