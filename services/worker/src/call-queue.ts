import { EsparseError } from '@esparse/errors';

/**
 * Calls that wait while one computes: the next one is at hand when it ends, and one that was cancelled has time to
 * stop. More are refused: a worker queues nothing without bound, and a pruner finds another worker.
 */
export const MAX_WAITING = 1;

/** Runs work in the order in which it was asked for: one piece at a time, or several small ones side by side. */
export interface CallQueue {
  /**
   * Runs `work` when what was asked for before it has ended, or leaves room for it.
   *
   * @param beside whether other such work may run meanwhile, as far as there are places
   * @throws EsparseError `busy` where `MAX_WAITING` wait already; what the signal was aborted with where it is
   *   aborted meanwhile.
   */
  run<T>(signal: AbortSignal, work: () => Promise<T>, beside?: boolean): Promise<T>;
  /** As `run`, for a stream, which has the queue for itself: the work is the iteration, from its first message to its end. */
  stream<T>(signal: AbortSignal, open: () => AsyncIterable<T>): AsyncGenerator<T>;
  /** How many wait. */
  readonly waiting: number;
}

/** @param places for work that may run side by side */
export function createCallQueue({ maxWaiting = MAX_WAITING, places = 1 } = {}): CallQueue {
  const waiting: { readonly takes: number; readonly start: () => void }[] = [];
  let free = places;

  const acquire = async (signal: AbortSignal, takes: number) => {
    signal.throwIfAborted();
    if (waiting.length === 0 && takes <= free) {
      free -= takes;
      return;
    }
    if (waiting.length >= maxWaiting) {
      throw new EsparseError('busy', 'this worker has as much work as it takes', {
        hint: 'add workers, or run fewer pruners on these',
      });
    }
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        waiting.splice(waiting.indexOf(call), 1);
        reject(signal.reason as Error);
        startWaiting();
      };
      const call = {
        takes,
        start: () => {
          signal.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      signal.addEventListener('abort', giveUp, { once: true });
      waiting.push(call);
    });
  };
  const startWaiting = () => {
    for (let next = waiting[0]; next !== undefined && next.takes <= free; next = waiting[0]) {
      waiting.shift();
      free -= next.takes;
      next.start();
    }
  };
  const release = (takes: number) => {
    free += takes;
    startWaiting();
  };

  return {
    get waiting() {
      return waiting.length;
    },
    async run(signal, work, beside = false) {
      const takes = beside ? 1 : places;
      await acquire(signal, takes);
      try {
        return await work();
      } finally {
        release(takes);
      }
    },
    async *stream(signal, open) {
      await acquire(signal, places);
      try {
        yield* open();
      } finally {
        release(places);
      }
    },
  };
}
