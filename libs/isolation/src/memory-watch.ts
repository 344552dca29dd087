import { Worker } from 'node:worker_threads';
import { builtScript } from './built-script.ts';

/** What the thread of the watch is started with. */
export interface MemoryWatch {
  /** One number: the MiB that this process may take. */
  readonly limit: Int32Array;
}

const MIB = 2 ** 20;

/**
 * Ends this process where it takes more memory than it may, native memory included, or where its parent has gone; also
 * while its main thread is held by native code.
 *
 * @returns allows so many bytes more than `memoryBytes` from now on; an allowance stays, since an allocator gives
 *   memory back late
 */
export function watchMemory(memoryBytes: number): (extraBytes: number) => void {
  const limit = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const allow = (extraBytes: number) => {
    const mib = Math.ceil((memoryBytes + extraBytes) / MIB);
    if (mib > Atomics.load(limit, 0)) Atomics.store(limit, 0, mib);
  };
  allow(0);
  const workerData: MemoryWatch = { limit };
  new Worker(builtScript(import.meta.url, 'memory-watch-thread'), { workerData }).unref();
  return allow;
}
