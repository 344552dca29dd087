import { setFlagsFromString } from 'node:v8';

/**
 * For a process that moves gigabytes of activations: V8 marks its heap at once when it is full, not in steps begun
 * ahead of time. It counts array memory as heap, so a stream of megabyte tiles makes it begin again some fifteen
 * times a second, and marking in steps took a quarter of the processor (docs/decisions/workers.md). A collection of our
 * 20 MB of objects holds the thread for some 10 ms: no harm here, but not for a process that answers users.
 *
 * To be called first in a process: V8 crashes where the flag is set while it marks in steps (seen in one start of ten, when the
 * libraries were loaded before).
 */
export function disableIncrementalMarking(): void {
  setFlagsFromString('--no-incremental-marking');
}
