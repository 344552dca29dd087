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
  /** Where the server answered, and has no time. */
  readonly answer: Response | undefined;
  constructor(
    message: string,
    options: { cause?: unknown; pauseMs?: number | undefined; answer?: Response } = {},
  ) {
    super(message, { cause: options.cause });
    this.pauseMs = options.pauseMs;
    this.answer = options.answer;
  }
}

/**
 * Does a piece of work again, with pauses that double, while it fails by the server's or the network's fault.
 *
 * @param refusal what the last answer of a server means that limits how much is asked of it. @default the status
 */
export async function withTries<T>(
  shown: string,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  refusal?: (answer: Response) => EsparseError,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    throwIfCancelled(signal, `reading ${shown}`);
    try {
      return await work();
    } catch (error) {
      throwIfCancelled(signal, `reading ${shown}`);
      if (!(error instanceof Broken)) throw error;
      if (attempt >= ATTEMPTS) {
        if (error.answer?.status === 429 && refusal !== undefined) throw refusal(error.answer);
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
