import type { EsparseError } from '@esparse/errors';

/** Attempts of one task at most, refusals of busy workers not counted: what fails five times has another cause. */
export const MAX_ATTEMPTS = 5;

/** The pause before a task is tried again: doubles up to the limit, and varies by half so that pruners spread out. */
const BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5_000;

/** Decides what follows the failures of one task. */
export interface RetryPolicy {
  /** The pause before the next attempt, or undefined where the task has failed for good. */
  pauseAfter(error: EsparseError): number | undefined;
}

/**
 * Tries again up to `MAX_ATTEMPTS` times where a worker is at fault, and for as long as `waitMs` where workers are busy.
 *
 * @param now milliseconds
 */
export function createRetryPolicy(waitMs: number, now: () => number): RetryPolicy {
  let failures = 0;
  let refusedSince: number | undefined;
  return {
    pauseAfter(error) {
      if (error.kind === 'busy') {
        refusedSince ??= now();
        return now() - refusedSince < waitMs ? pauseMs(0) : undefined;
      }
      refusedSince = undefined;
      return isWorkersFault(error) && ++failures < MAX_ATTEMPTS ? pauseMs(failures) : undefined;
    },
  };
}

/**
 * Whether another worker, or another attempt, may succeed: a worker is gone or has stopped answering, a stream broke, a
 * worker has a defect or is busy, or this process was too busy to read. What is wrong with the input, the store or a worker's options stays wrong.
 */
export function mayPass(error: EsparseError): boolean {
  return error.kind === 'busy' || isWorkersFault(error);
}

function isWorkersFault({ kind }: EsparseError): boolean {
  return kind === 'unavailable' || kind === 'internal' || kind === 'cancelled' || kind === 'slow_client';
}

function pauseMs(failures: number): number {
  return Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures) * (0.5 + Math.random());
}
