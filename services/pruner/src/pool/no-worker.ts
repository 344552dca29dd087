import { EsparseError } from '@esparse/errors';

/** The error of tasks for which no worker was connected in time. */
export function noWorker(
  workers: readonly { readonly address: string; readonly trouble: string | undefined }[],
  waitedMs: number,
): EsparseError {
  const described = ({ address, trouble }: (typeof workers)[number]) =>
    trouble === undefined ? address : `${address} (${causeOf(trouble)})`;
  const targets = workers.map(described).join(', ');
  return new EsparseError(
    'unavailable',
    `no worker could be reached for ${waitedMs / 1000} s at ${targets}`,
    {
      hint: 'check that workers run, that the addresses are right, and with TLS that they are among the names in the certificates; then run the same command again: it goes on',
    },
  );
}

/** The cause at the end of what gRPC reports, which wraps it anew at each level: `Error: connect ECONNREFUSED 10.0.0.1:7070`. */
export function causeOf(trouble: string): string {
  return trouble
    .replace(/\.? *Resolution note: *$/, '')
    .split(/Last error: |Error: /)
    .at(-1)!
    .trim();
}
