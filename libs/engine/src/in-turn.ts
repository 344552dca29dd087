/** Runs pieces of asynchronous work one after the other, in the order in which they were given. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Work that is given while none is under way begins within the call, without waiting for a microtask. */
export function createInTurn(): InTurn {
  let last: Promise<void> | undefined;
  return (work) => {
    const done = last === undefined ? work() : last.then(work);
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (last === settled) last = undefined;
      });
    last = settled;
    return done;
  };
}
