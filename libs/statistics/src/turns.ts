import { EsparseError } from '@esparse/errors';

/** The last turn asked of each state that has one which has not settled. */
const tails = new WeakMap<object, Promise<unknown>>();

/** Runs `work` once everything asked earlier of the same states has settled: kernels on one state must not overlap. */
export function inTurn<T>(states: readonly object[], work: () => Promise<T>): Promise<T> {
  const turn = Promise.all(states.map((state) => tails.get(state) ?? Promise.resolve())).then(work);
  const settled = turn.then(leave, leave);
  for (const state of states) tails.set(state, settled);
  return turn;

  function leave(): void {
    for (const state of states) if (tails.get(state) === settled) tails.delete(state);
  }
}

/** Refuses to read a state that somebody is changing: half of a tile would be in it. */
export function checkIdle(statistic: string, state: object): void {
  if (!tails.has(state)) return;
  throw new EsparseError('internal', `${statistic}: a state was read before its updates had settled`);
}
