/**
 * Waits for a turn of the event loop: pieces of work that wait go on a few a turn, in the order in which they came. Two hundred
 * clients that connect at once make two hundred small pieces of work; done in one go they would hold up every stream for a
 * tenth of a second, and done one a turn each would wait for all that the turns before have to do.
 */
export type EventLoopPacer = () => Promise<void>;

/** Less than a millisecond of work. */
const A_TURN = 4;

/** @param aTurn pieces of work that go on in one turn @default 4 */
export function createEventLoopPacer(aTurn = A_TURN): EventLoopPacer {
  const waiting: (() => void)[] = [];
  let scheduled = false;
  const next = () => {
    for (const resolve of waiting.splice(0, aTurn)) resolve();
    scheduled = waiting.length > 0;
    if (scheduled) setImmediate(next);
  };
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (scheduled) return;
      scheduled = true;
      setImmediate(next);
    });
}
