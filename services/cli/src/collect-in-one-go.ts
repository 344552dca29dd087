import { setFlagsFromString } from 'node:v8';

/**
 * For a process that moves gigabytes of activations: V8 collects in one go when its heap is full, not in steps begun
 * ahead of time. It counts array memory as heap, so a stream of megabyte tiles makes it begin again some fifteen
 * times a second, and the stepwise way took a quarter of the processor (docs/decisions/workers.md). A collection of our
 * 20 MB of objects holds the thread for some 10 ms: no harm here, but not for a process that answers users.
 *
 * To be called first thing in a process: told while it marks in steps, V8 crashes (seen in one start of ten, when the
 * libraries were loaded before).
 */
export function collectInOneGo(): void {
  setFlagsFromString('--no-incremental-marking');
}
