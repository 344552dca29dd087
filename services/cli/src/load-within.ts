import { setTimeout } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';

/** Loading computes nothing: if it takes longer, it hangs. */
export const LOAD_TIMEOUT_SECONDS = 60;

/**
 * Runs the loading of user code, and ends it where that hangs: a promise that never settles becomes an error, and a
 * loop that never ends is killed from outside (see `startWatchdog`).
 *
 * @param plugin what is loaded, such as 'pipeline ./mine.ts'
 * @throws EsparseError 'usage' after `timeoutMs`, naming the plug-in
 */
export async function loadWithin<T>(timeoutMs: number, plugin: string, load: () => Promise<T>): Promise<T> {
  const call = { plugin, where: 'loading' };
  // Not before there is a plug-in: a server or a worker needs nothing else of the pruner.
  const { startWatchdog } = await import('@esparse/pruner');
  const watchdog = startWatchdog(timeoutMs);
  const done = new AbortController();
  // It keeps the process alive: without it, Node would end with 0 where nothing else is left to do.
  const late = setTimeout(timeoutMs, undefined, { signal: done.signal }).then(() => {
    throw new EsparseError('usage', `${call.plugin}, ${call.where}: nothing after ${timeoutMs / 1000} s`, {
      hint: 'a promise that never settles, awaited by the file or by what it imports?',
    });
  });
  const leave = watchdog.watch(call);
  try {
    return await Promise.race([load(), late]);
  } finally {
    leave();
    done.abort();
    late.catch(() => undefined);
    await watchdog.stop();
  }
}
