import { EsparseError } from '@esparse/errors';

/**
 * Calls that wait while one computes: the next one is at hand when it ends, and one that was cancelled has time to
 * stop. More are refused: a worker queues nothing without bound, and a pruner finds another worker.
 */
export const MAX_WAITING = 1;

/** Runs one piece of work at a time, in the order in which they were asked for. */
export interface SerialQueue {
  /**
   * Runs `work` when all that was asked for before it has ended.
   *
   * @throws EsparseError `busy` where `MAX_WAITING` wait already; what the signal was aborted with where it is
   *   aborted meanwhile.
   */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** As `run`, for a stream: the work is the iteration, from its first message to its end. */
  stream<T>(signal: AbortSignal, open: () => AsyncIterable<T>): AsyncGenerator<T>;
  /** How many wait. */
  readonly waiting: number;
}

export function createSerialQueue(maxWaiting = MAX_WAITING): SerialQueue {
  const waiting: (() => void)[] = [];
  let running = false;

  const acquire = async (signal: AbortSignal) => {
    signal.throwIfAborted();
    if (!running) {
      running = true;
      return;
    }
    if (waiting.length >= maxWaiting) {
      throw new EsparseError('busy', 'this worker has as much work as it takes', {
        hint: 'add workers, or run fewer pruners on these',
      });
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        waiting.splice(waiting.indexOf(start), 1);
        reject(signal.reason as Error);
      };
      const start = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      signal.addEventListener('abort', giveUp, { once: true });
      waiting.push(start);
    });
  };
  const release = () => {
    const next = waiting.shift();
    if (next === undefined) running = false;
    else next();
  };

  return {
    get waiting() {
      return waiting.length;
    },
    async run(signal, work) {
      await acquire(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
    async *stream(signal, open) {
      await acquire(signal);
      try {
        yield* open();
      } finally {
        release();
      }
    },
  };
}
