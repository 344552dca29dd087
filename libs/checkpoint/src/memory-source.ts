import type { ByteSource } from '@esparse/storage';

/** A file in memory. */
export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    readInto(offset, target) {
      if (offset + target.length > bytes.length) return Promise.resolve(false);
      target.set(bytes.subarray(offset, offset + target.length));
      return Promise.resolve(true);
    },
    close: () => Promise.resolve(),
  };
}
