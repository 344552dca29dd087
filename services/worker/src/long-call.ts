import { EsparseError } from '@esparse/errors';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/**
 * A call of another thread that takes long: what it says of its progress, each yielded once unless the next has come by then, and
 * at the end what it gives. Leaving the iteration, or the signal, tells it to stop.
 *
 * @param start begins the call; the other thread gets the port, see `calledBy`
 */
export async function* longCall<Progress, R>(
  signal: AbortSignal,
  start: (port: MessagePort) => Promise<R>,
): AsyncGenerator<Progress, R> {
  const { port1: own, port2: its } = new MessageChannel();
  const call: { latest?: { readonly progress: Progress } | undefined; ended: boolean } = { ended: false };
  let wake: () => void = () => undefined;
  own.on('message', (progress: Progress) => {
    call.latest = { progress };
    wake();
  });
  const stop = () => {
    own.postMessage('stop');
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const result = start(its).finally(() => {
      call.ended = true;
      wake();
    });
    result.catch(() => undefined); // awaited below
    if (signal.aborted) stop();
    for (;;) {
      if (call.latest !== undefined) {
        const { progress } = call.latest;
        call.latest = undefined;
        yield progress;
      } else if (call.ended) return await result;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    own.close();
  }
}

/** The other end of a long call. */
export interface Caller<Progress> {
  /** Aborts when the caller wants nothing more of the call. */
  readonly signal: AbortSignal;
  readonly report: (progress: Progress) => void;
}

/** Runs what was called with a port. @param stopped ends it, too */
export async function calledBy<Progress, R>(
  port: MessagePort,
  stopped: AbortSignal | undefined,
  work: (caller: Caller<Progress>) => Promise<R>,
): Promise<R> {
  const controller = new AbortController();
  const abort = () => {
    controller.abort(new EsparseError('cancelled', 'the call was cancelled'));
  };
  port.on('message', abort);
  const signal = stopped === undefined ? controller.signal : AbortSignal.any([controller.signal, stopped]);
  try {
    return await work({
      signal,
      report(progress) {
        port.postMessage(progress);
      },
    });
  } finally {
    port.close();
  }
}
