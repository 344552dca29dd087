import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { EsparseError, type ErrorDetails, type ErrorKind } from '@esparse/errors';
import { builtScript } from '@esparse/isolation';

export interface VerifyTarget {
  readonly store: string;
  readonly run: string;
}

export interface VerifyAnswer {
  /** What is damaged; absent for a sound run. */
  readonly error?: { readonly kind: ErrorKind; readonly message: string } & ErrorDetails;
}

/**
 * Checks every byte of a run against its checksums, on a thread of its own.
 *
 * @throws EsparseError 'store' naming what is damaged
 */
export async function verifyRun(target: VerifyTarget, signal?: AbortSignal): Promise<void> {
  const thread = new Worker(builtScript(import.meta.url, 'verify-thread'), { workerData: target });
  try {
    const [{ error }] = (await once(thread, 'message', signal && { signal })) as [VerifyAnswer];
    if (error !== undefined) throw new EsparseError(error.kind, error.message, error);
  } finally {
    await thread.terminate();
  }
}
