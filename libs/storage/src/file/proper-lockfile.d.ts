/** What we use of proper-lockfile 4, which ships no types. */
declare module 'proper-lockfile' {
  export interface LockOptions {
    /** The folder that is the lock. */
    lockfilePath: string;
    /** Age in milliseconds at which a lock that was not refreshed is taken over. */
    stale: number;
    /** Milliseconds between two refreshes. */
    update: number;
    /** Whether the file must exist, and links in its path are resolved. */
    realpath: boolean;
    retries?: { retries: number; minTimeout: number; maxTimeout: number };
    onCompromised: (error: Error) => void;
  }
  /** Takes a lock; rejects with code ELOCKED where it is held. Resolves to its release. */
  export function lock(file: string, options: LockOptions): Promise<() => Promise<void>>;
}
