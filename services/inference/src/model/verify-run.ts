import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { builtScript } from '../built-script.ts';

export interface VerifyTarget {
  readonly store: string;
  readonly run: string;
}

export interface VerifyAnswer {
  /** What is damaged, each by its name. */
  readonly damages: readonly string[];
}

/** Damages named in one message. */
const MAX_NAMED = 5;

/**
 * Checks every byte of a run against its checksums, on a thread of its own.
 *
 * @throws EsparseError 'store' naming what is damaged
 */
export async function verifyRun(target: VerifyTarget, signal?: AbortSignal): Promise<void> {
  const thread = new Worker(builtScript('model/verify-thread'), { workerData: target });
  try {
    const [{ damages }] = (await once(thread, 'message', signal && { signal })) as [VerifyAnswer];
    if (damages.length === 0) return;
    const named = damages.slice(0, MAX_NAMED).join('; ');
    const more = damages.length > MAX_NAMED ? ` and ${damages.length - MAX_NAMED} more` : '';
    throw new EsparseError('store', `run ${target.run} is damaged: ${named}${more}`, {
      hint: 'restore it from a copy, or prune again; `esparse verify` lists everything',
      context: { store: target.store },
    });
  } finally {
    await thread.terminate();
  }
}
