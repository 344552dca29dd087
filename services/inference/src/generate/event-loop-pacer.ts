/**
 * Waits for a turn of the event loop of one's own: pieces of work that wait go on one a turn, in the order in which they
 * came. Two hundred clients that connect at once make two hundred small pieces of work; done in one go they would hold
 * up every stream for a tenth of a second.
 */
export type EventLoopPacer = () => Promise<void>;

export function createEventLoopPacer(): EventLoopPacer {
  const waiting: (() => void)[] = [];
  let scheduled = false;
  const next = () => {
    waiting.shift()?.();
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
