import type { EsparseError } from '@esparse/errors';

/** The lock of the one writer of a store, held until it is released. */
export interface WriterLease {
  /** Set once the lock was lost to another process (a clock jump, a suspended machine): stop writing. */
  readonly lost: EsparseError | undefined;
  /** A warning for the user, where the medium cannot keep all that the lock promises. */
  readonly caution?: string | undefined;
  /**
   * Gives the lock back. Never fails, and so never hides the error after which it is called: a lock that cannot be removed is
   * void by its age, or at once where its process is known to be dead.
   */
  release(): Promise<void>;
}

/** The lease of a medium that knows no lock. */
export function freeLease(): WriterLease {
  return { lost: undefined, release: () => Promise.resolve() };
}
