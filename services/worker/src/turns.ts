import { EsparseError } from '@esparse/errors';

/**
 * Calls that wait while one computes: the next one is at hand when it ends, and a call that was given up has time to
 * leave. More are refused: a worker queues nothing without bound, and a pruner finds another.
 */
export const MAX_WAITING = 1;

/** Hands out turns, one at a time, in the order in which they were asked for. */
export interface Turns {
  /**
   * Runs `work` in its turn.
   *
   * @throws EsparseError `busy` where `MAX_WAITING` wait already; what the signal was aborted with where it is
   *   aborted meanwhile.
   */
  take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** As `take`, for a stream: its turn is that of the iteration. */
  stream<T>(signal: AbortSignal, open: () => AsyncIterable<T>): AsyncGenerator<T>;
  /** How many wait. */
  readonly waiting: number;
}

export function createTurns(maxWaiting = MAX_WAITING): Turns {
  const waiting: (() => void)[] = [];
  let taken = false;

  const begin = async (signal: AbortSignal) => {
    signal.throwIfAborted();
    if (!taken) {
      taken = true;
      return;
    }
    if (waiting.length >= maxWaiting) {
      throw new EsparseError('busy', 'this worker has as much work as it takes', {
        hint: 'add workers, or run fewer pruners on these',
      });
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        waiting.splice(waiting.indexOf(start), 1);
        reject(signal.reason as Error);
      };
      const start = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(start);
    });
  };
  const end = () => {
    const next = waiting.shift();
    if (next === undefined) taken = false;
    else next();
  };

  return {
    get waiting() {
      return waiting.length;
    },
    async take(signal, work) {
      await begin(signal);
      try {
        return await work();
      } finally {
        end();
      }
    },
    async *stream(signal, open) {
      await begin(signal);
      try {
        yield* open();
      } finally {
        end();
      }
    },
  };
}
