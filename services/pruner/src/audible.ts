import { EsparseError } from '@esparse/errors';
import { TUNE_SILENCE_MS } from '@esparse/protocol';

/**
 * The messages of a worker, as long as it sends any: one that hangs is left.
 *
 * @throws EsparseError 'unavailable' where the next message does not come within some time
 */
export async function* audible<T>(
  messages: AsyncIterable<T>,
  worker: string,
  silenceMs: number = TUNE_SILENCE_MS,
): AsyncGenerator<T> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await within(iterator.next(), silenceMs, worker);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: it may hang, too.
    iterator.return?.().catch(() => undefined);
  }
}

async function within<T>(next: Promise<T>, ms: number, worker: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new EsparseError('unavailable', `worker ${worker} has sent nothing for ${ms / 1000} s`));
    }, ms);
  });
  next.catch(() => undefined); // it may fail after it was given up
  try {
    return await Promise.race([next, silent]);
  } finally {
    clearTimeout(timer);
  }
}
