import { EsparseError } from '@esparse/errors';

/** Tries of one task at most, refusals of busy workers not counted: what fails five times has another cause. */
export const MAX_ATTEMPTS = 5;

/** The pause before a task is tried again: doubles up to the limit, and varies by half so that pruners spread out. */
const BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5_000;

/** The pause after so many failures of a task. */
export function pauseMs(failures: number, random: () => number = Math.random): number {
  return Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures) * (0.5 + random());
}

/**
 * True for a failure that another worker, or another try, may not have: a worker that is gone or stopped answering, a
 * stream that broke, a defect. What is wrong with the input, the store or a worker's options stays wrong.
 */
export function isWorkersFault({ kind }: EsparseError): boolean {
  return kind === 'unavailable' || kind === 'internal' || kind === 'cancelled';
}

/** The cause at the end of what gRPC tells, which wraps it anew at each level: `Error: connect ECONNREFUSED 10.0.0.1:7070`. */
function causeOf(trouble: string): string {
  const told = trouble.replace(/\.? *Resolution note: *$/, '');
  return told
    .split(/Last error: |Error: /)
    .at(-1)!
    .trim();
}

/** The error of tasks that have waited in vain. */
export function noWorker(
  workers: readonly { readonly address: string; readonly trouble: string | undefined }[],
  waitedMs: number,
): EsparseError {
  const told = ({ address, trouble }: (typeof workers)[number]) =>
    trouble === undefined ? address : `${address} (${causeOf(trouble)})`;
  const targets = workers.map(told).join(', ');
  return new EsparseError(
    'unavailable',
    `no worker could be reached for ${waitedMs / 1000} s at ${targets}`,
    {
      hint: 'check that workers run, that the addresses are right, and with TLS that they are among the names in the certificates; then run the same command again: it goes on',
    },
  );
}
