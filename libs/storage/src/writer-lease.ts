import type { EsparseError } from '@esparse/errors';

/** The lock of the one writer of a store, held until it is released. */
export interface WriterLease {
  /** Set once the lock was lost to another process (a clock jump, a suspended machine): stop writing. */
  readonly lost: EsparseError | undefined;
  /** What a user should know of this lock, where it does not keep all that it promises. */
  readonly caution?: string;
  release(): Promise<void>;
}

/** The lease of a medium that knows no lock. */
export function freeLease(): WriterLease {
  return { lost: undefined, release: () => Promise.resolve() };
}
