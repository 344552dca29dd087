import type { ObjectStore } from './object-store.ts';

/** A bucket in memory: only what every store must have, so no opening, locking or mapping. */
export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, Uint8Array>();

  get(key: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.objects.get(key)?.slice());
  }

  getRange(key: string, offset: number, length: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.objects.get(key)?.slice(offset, offset + length));
  }

  size(key: string): Promise<number | undefined> {
    return Promise.resolve(this.objects.get(key)?.byteLength);
  }

  put(key: string, parts: readonly Uint8Array[]): Promise<void> {
    this.objects.set(key, new Uint8Array(Buffer.concat(parts)));
    return Promise.resolve();
  }

  async *list(folder: string): AsyncGenerator<string> {
    for (const key of [...this.objects.keys()].sort()) {
      if (folder === '' || key.startsWith(`${folder}/`)) yield await Promise.resolve(key);
    }
  }

  children(folder: string): Promise<string[]> {
    const below = folder === '' ? '' : `${folder}/`;
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(below));
    return Promise.resolve([...new Set(keys.map((key) => key.slice(below.length).split('/')[0]!))].sort());
  }

  delete(key: string): Promise<void> {
    this.objects.delete(key);
    return Promise.resolve();
  }

  async deletePrefix(folder: string): Promise<void> {
    for await (const key of this.list(folder)) this.objects.delete(key);
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  describe(): string {
    return 'memory:';
  }
}
