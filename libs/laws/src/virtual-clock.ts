/**
 * Virtual time: what is due at a frame happens in the order in which it was asked for, and whatever that makes ready settles
 * before time goes on.
 */
export function createClock() {
  const due = new Map<number, (() => void)[]>();
  let now = 0;
  return {
    now: () => now,
    at(frame: number, happen: () => void) {
      due.set(frame, [...(due.get(frame) ?? []), happen]);
    },
    async run() {
      while (due.size > 0) {
        now = Math.min(...due.keys());
        const happening = due.get(now)!;
        due.delete(now);
        for (const happen of happening) happen();
        // All promises that can settle have done so when a macrotask comes.
        await new Promise(setImmediate);
      }
    },
  };
}
