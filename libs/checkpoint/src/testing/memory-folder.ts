import type { ByteFolder, ByteSource } from '@esparse/storage';

/** A folder in memory that records what is read of it. */
export interface MemoryFolder extends ByteFolder {
  readonly files: Map<string, Uint8Array>;
  /** Every read so far, as [file, offset, length]. */
  readonly reads: [string, number, number][];
  /** Files that are open now. */
  openFiles: number;
  /** The most reads that were under way together. */
  mostAtOnce: number;
}

export function memoryFolder(files: Readonly<Record<string, Uint8Array | string>>): MemoryFolder {
  const entries = Object.entries(files).map(([name, content]): [string, Uint8Array] => [
    name,
    typeof content === 'string' ? new TextEncoder().encode(content) : content,
  ]);
  const folder: MemoryFolder = {
    location: 'memory',
    files: new Map(entries),
    reads: [],
    openFiles: 0,
    mostAtOnce: 0,
    open: async (name) => {
      await Promise.resolve();
      const bytes = folder.files.get(name);
      if (bytes === undefined) return undefined;
      folder.openFiles++;
      return recording(folder, name, bytes);
    },
  };
  return folder;
}

let atOnce = 0;

function recording(folder: MemoryFolder, name: string, bytes: Uint8Array): ByteSource {
  return {
    size: bytes.byteLength,
    readInto: async (offset, target, signal) => {
      signal?.throwIfAborted();
      folder.reads.push([name, offset, target.byteLength]);
      folder.mostAtOnce = Math.max(folder.mostAtOnce, ++atOnce);
      await new Promise(setImmediate);
      atOnce--;
      target.set(bytes.subarray(offset, offset + target.byteLength));
      return offset + target.byteLength <= bytes.byteLength;
    },
    close: () => {
      folder.openFiles--;
      return Promise.resolve();
    },
  };
}
