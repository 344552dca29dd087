import { EsparseError } from '@esparse/errors';

/** For each state that is locked: settles when the last of those who asked for it has released it. */
const lastHolders = new WeakMap<object, Promise<unknown>>();

/**
 * Runs `work` while it alone has these states, in the order in which callers asked: kernels that change one state must
 * not overlap.
 */
export function withLock<T>(states: readonly object[], work: () => Promise<T>): Promise<T> {
  const result = Promise.all(states.map((state) => lastHolders.get(state) ?? Promise.resolve())).then(work);
  const released = result.then(release, release);
  for (const state of states) lastHolders.set(state, released);
  return result;

  function release(): void {
    for (const state of states) if (lastHolders.get(state) === released) lastHolders.delete(state);
  }
}

/** Refuses to read a state that is locked: it may hold half of a tile. */
export function checkUnlocked(statistic: string, state: object): void {
  if (!lastHolders.has(state)) return;
  throw new EsparseError('internal', `${statistic}: a state was read before its updates had settled`);
}
