import { EsparseError } from '@esparse/errors';

/** Memory for `bytes` bytes, not cleared, never part of Node's shared pool. */
export function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  try {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, bytes);
  } catch (error) {
    throw new EsparseError('store', `an object of ${bytes} bytes is too large to be read into memory`, {
      cause: error,
    });
  }
}
