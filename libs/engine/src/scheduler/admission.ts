/** The one gate that bounds what waits: every text acquires a slot before its prompt is even tokenized. */
export interface Admission {
  /** Acquires slots for so many texts, all or none; `undefined` where too few are free. */
  acquire(texts: number): Slot[] | undefined;
  /** Slots in all: texts that run and texts that wait. */
  readonly slots: number;
  /** Slots that are held. */
  readonly held: number;
  /** When a slot can be expected to be free, in seconds, from how long texts took of late. */
  retryAfter(): number;
}

/** The right of one text to wait and run. */
export interface Slot {
  /** Frees the slot; a second call does nothing. */
  release(): void;
}

/** Weight of the latest text in the mean of how long they take. */
const LATEST = 0.1;

/** The longest wait that is ever named, however long the queue, in seconds. */
const MAX_RETRY_AFTER_SECONDS = 60;

/**
 * @param maxSequences texts that run at once
 * @param maxQueue texts that wait at most
 */
export function createAdmission(maxSequences: number, maxQueue: number): Admission {
  const slots = maxSequences + maxQueue;
  let held = 0;
  let meanSeconds = 1;
  const slot = (): Slot => {
    const acquired = performance.now();
    let released = false;
    return {
      release() {
        if (released) return;
        released = true;
        held--;
        meanSeconds += LATEST * ((performance.now() - acquired) / 1000 - meanSeconds);
      },
    };
  };
  return {
    acquire(texts) {
      if (held + texts > slots) return undefined;
      held += texts;
      return Array.from({ length: texts }, slot);
    },
    slots,
    get held() {
      return held;
    },
    // A slot is freed on average every mean / slots seconds; a client that comes back finds others before it.
    retryAfter: () => Math.min(MAX_RETRY_AFTER_SECONDS, Math.max(1, Math.ceil(meanSeconds / 2))),
  };
}
