import { crc32c } from '@node-rs/crc32';
import { crc32c as onAllThreads } from '@esparse/kernels';

/** The bytes of a chunk's trailer: its CRC32C, little-endian (the Zarr v3 codec "crc32c"). */
export const TRAILER_BYTES = 4;

/**
 * CRC32C (Castagnoli) of some bytes, or of more bytes of which `before` is the checksum so far.
 *
 * @param before the checksum of everything before @default 0
 */
export function checksum(bytes: Uint8Array, before = 0): number {
  return crc32c(bytes, before);
}

/** The same for large inputs, which must not change meanwhile, while other work can run. */
export async function checksumLarge(bytes: Uint8Array, before = 0): Promise<number> {
  return onAllThreads(bytes, before);
}

/** A checksum as it is written in JSON: eight lower-case hexadecimal digits. */
export function hexOf(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** A checksum as it trails a chunk. */
export function trailerOf(crc: number): Uint8Array {
  const trailer = new Uint8Array(TRAILER_BYTES);
  new DataView(trailer.buffer).setUint32(0, crc, true);
  return trailer;
}

/** The checksum in a trailer. */
export function crcOfTrailer(trailer: Uint8Array): number {
  return new DataView(trailer.buffer, trailer.byteOffset, TRAILER_BYTES).getUint32(0, true);
}
