import { EsparseError } from '@esparse/errors';
import type { Run } from './run.ts';

/** Damages named in one message. */
const MAX_NAMED = 5;

/**
 * Reads every object of a run and compares it with its checksum.
 *
 * @throws EsparseError 'store' naming what is damaged
 */
export async function requireSound(run: Run, signal?: AbortSignal): Promise<void> {
  const damages = (await run.verify(undefined, signal)).filter(({ severity }) => severity === 'error');
  if (damages[0] === undefined) return;
  const named = damages.slice(0, MAX_NAMED).map(({ message }) => message);
  const more = damages.length > MAX_NAMED ? ` and ${damages.length - MAX_NAMED} more` : '';
  throw new EsparseError('store', `run ${run.fingerprint} is damaged: ${named.join('; ')}${more}`, {
    hint: 'restore the store from a copy, or prune again into another one; `esparse verify` lists everything',
    context: { object: damages[0].object },
  });
}
