import { MAX_RETRY_AFTER_SECONDS } from '../limits.ts';

/** The one gate that bounds what waits: every text takes a place before its prompt is even tokenized. */
export interface Admission {
  /** Takes places for so many texts, all or none; gives what frees one of them, or undefined where there are too few. */
  enter(texts: number): Place[] | undefined;
  /** Texts that wait or run. */
  readonly taken: number;
  /** Places in all. */
  readonly places: number;
  /** When a place can be expected, in seconds, from how long texts took of late. */
  retryAfter(): number;
}

export interface Place {
  /** Frees the place; a second call does nothing. */
  leave(): void;
}

/** Weight of the latest text in the mean of how long they take. */
const LATEST = 0.1;

/** @param maxSequences texts that run at once @param maxQueue texts that wait at most */
export function createAdmission(maxSequences: number, maxQueue: number): Admission {
  const places = maxSequences + maxQueue;
  let taken = 0;
  let meanSeconds = 1;
  const place = (): Place => {
    const entered = performance.now();
    let left = false;
    return {
      leave() {
        if (left) return;
        left = true;
        taken--;
        meanSeconds += LATEST * ((performance.now() - entered) / 1000 - meanSeconds);
      },
    };
  };
  return {
    enter(texts) {
      if (taken + texts > places) return undefined;
      taken += texts;
      return Array.from({ length: texts }, place);
    },
    get taken() {
      return taken;
    },
    places,
    // A place is freed on average every mean / places seconds; a client that comes back finds others before it.
    retryAfter: () => Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(meanSeconds / 2))),
  };
}
