const tails = new WeakMap<object, Promise<unknown>>();

/** Runs `work` once everything asked earlier of the same states has settled: kernels on one state must not overlap. */
export function inTurn<T>(states: readonly object[], work: () => Promise<T>): Promise<T> {
  const turn = Promise.all(states.map((state) => tails.get(state) ?? Promise.resolve())).then(work);
  const settled = turn.then(
    () => undefined,
    () => undefined,
  );
  for (const state of states) tails.set(state, settled);
  return turn;
}
