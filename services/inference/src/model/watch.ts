/**
 * Polls, each time once the last poll has ended: stores on networks have no events to wait for.
 *
 * @returns a function that stops it
 */
export function watch(look: () => Promise<void>, intervalMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const later = () => {
    if (ended) return;
    timer = setTimeout(() => {
      void look().finally(later);
    }, intervalMs);
    timer.unref();
  };
  later();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
