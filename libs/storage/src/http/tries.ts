import { setTimeout as pause } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import { throwIfCancelled } from '../cancel.ts';

/** Tries of a request that fails by the server's or the network's fault; a body goes on from where it broke off. */
export const ATTEMPTS = 6;
/** The first pause between two tries; it doubles. */
const PAUSE_MS = 100;
/** The longest pause that a server may ask for (Retry-After). */
const MAX_PAUSE_MS = 20_000;

/** A failure that another try may not meet. */
export class Broken extends Error {
  readonly pauseMs: number | undefined;
  constructor(message: string, options: { cause?: unknown; pauseMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.pauseMs = options.pauseMs;
  }
}

/** Does a piece of work again, with pauses that double, while it fails by the server's or the network's fault. */
export async function withTries<T>(
  shown: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(signal, `reading ${shown}`);
    try {
      return await work();
    } catch (error) {
      throwIfCancelled(signal, `reading ${shown}`);
      if (!(error instanceof Broken)) throw error;
      if (attempt >= ATTEMPTS) {
        throw new EsparseError('unavailable', `${shown} cannot be read: ${error.message}, ${attempt} times`, {
          hint: 'check the address and the network, then run again',
          cause: error.cause,
        });
      }
      const ms = Math.min(error.pauseMs ?? PAUSE_MS * 2 ** (attempt - 1), MAX_PAUSE_MS);
      await pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }
}
