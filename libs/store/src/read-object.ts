import { allocate, type ByteSource } from '@esparse/storage';
import { checksumLarge } from './checksum.ts';
import { PIECE_BYTES, PIECES_IN_FLIGHT } from './limits.ts';

/**
 * Reads the first bytes of an object into `target`, several pieces at a time, and sums them in order meanwhile.
 *
 * @returns their CRC32C, or undefined where the object ends too early
 */
export async function readSummed(
  source: ByteSource,
  target: Uint8Array,
  signal?: AbortSignal,
): Promise<number | undefined> {
  return sumPieces(source, target.byteLength, (from, to) => target.subarray(from, to), signal);
}

/**
 * CRC32C of the first `length` bytes of an object, in bounded memory.
 *
 * @returns the checksum, or undefined where the object ends too early
 */
export async function sumObject(
  source: ByteSource,
  length: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  // One buffer more than are in flight: a piece is read while the oldest is summed.
  const buffers: Uint8Array[] = [];
  const bufferFor = (from: number, to: number): Uint8Array => {
    const slot = (from / PIECE_BYTES) % (PIECES_IN_FLIGHT + 1);
    const buffer = (buffers[slot] ??= allocate(Math.min(PIECE_BYTES, length)));
    return buffer.subarray(0, to - from);
  };
  return sumPieces(source, length, bufferFor, signal);
}

async function sumPieces(
  source: ByteSource,
  length: number,
  bufferFor: (from: number, to: number) => Uint8Array,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const inFlight: { piece: Uint8Array; filled: Promise<boolean> }[] = [];
  let from = 0;
  let crc = 0;
  const fill = (): void => {
    for (; from < length && inFlight.length < PIECES_IN_FLIGHT; from += PIECE_BYTES) {
      const piece = bufferFor(from, Math.min(from + PIECE_BYTES, length));
      const filled = source.readInto(from, piece);
      // One that fails before it is waited for is seen below.
      filled.catch(() => undefined);
      inFlight.push({ piece, filled });
    }
  };
  try {
    fill();
    while (inFlight[0] !== undefined) {
      const { piece, filled } = inFlight[0];
      if (!(await filled)) return undefined;
      inFlight.shift();
      signal?.throwIfAborted();
      fill();
      crc = await checksumLarge(piece, crc);
    }
    return crc;
  } finally {
    // Nothing may still be writing into the memory, or use the source, once this returns.
    await Promise.allSettled(inFlight.map(({ filled }) => filled));
  }
}
