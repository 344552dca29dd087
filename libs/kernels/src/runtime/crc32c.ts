import { crc32c as inOneGo } from '@node-rs/crc32';
import { setImmediate } from 'node:timers/promises';
import { addon } from '../addon.ts';

/** Below this the job costs more than the sum. */
const LEAST_BYTES = 256 * 1024;
/** What the readable version sums before other work can run. */
const PIECE_BYTES = 8 * 1024 * 1024;

/**
 * CRC32C (Castagnoli) of some bytes, which must not change meanwhile: of few at once, of many on all threads.
 *
 * @param before the checksum of everything before @default 0
 */
export function crc32c(bytes: Uint8Array, before = 0): number | Promise<number> {
  if (bytes.byteLength < LEAST_BYTES) return inOneGo(bytes, before);
  return addon()?.crc32c({ bytes, before }) ?? crc32cReference(bytes, before);
}

/** The readable version of `crc32c`. */
export async function crc32cReference(bytes: Uint8Array, before = 0): Promise<number> {
  let crc = before;
  for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
    if (at > 0) await setImmediate();
    crc = inOneGo(bytes.subarray(at, at + PIECE_BYTES), crc);
  }
  return crc;
}
