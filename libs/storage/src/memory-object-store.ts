import type { ByteSource } from './byte-source.ts';
import { checkKey } from './key.ts';
import { ObjectStore } from './object-store.ts';

/** Objects in memory: only what every medium must have, so no locking, flushing or mapping. For tests. */
export class MemoryObjectStore extends ObjectStore {
  readonly objects = new Map<string, Uint8Array>();

  describe(): string {
    return 'memory:';
  }

  async open(key: string): Promise<ByteSource | undefined> {
    const bytes = await Promise.resolve(this.objects.get(checkKey(key)));
    return bytes && memorySource(bytes);
  }

  async put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    this.objects.set(checkKey(key), await Promise.resolve(new Uint8Array(Buffer.concat(parts))));
  }

  async *list(folder: string): AsyncGenerator<string> {
    for (const key of [...this.objects.keys()].sort()) {
      if (folder === '' || key.startsWith(`${folder}/`)) yield await Promise.resolve(key);
    }
  }

  delete(key: string): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }
}

function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    readInto(offset, target) {
      const piece = bytes.subarray(offset, offset + target.byteLength);
      target.set(piece);
      return Promise.resolve(piece.byteLength === target.byteLength);
    },
    close: () => Promise.resolve(),
  };
}
