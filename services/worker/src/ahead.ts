/**
 * Runs `make` over the items, in order, `ahead` results before the consumer asks for them: making (a sequence's
 * activations) and consuming (sending them) overlap, at the cost of holding that many results more. With two, `make`
 * has its next item already while the consumer is busy.
 */
export async function* mapAhead<T, R>(
  items: Iterable<T>,
  ahead: number,
  make: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const pending: Promise<R>[] = [];
  try {
    for (const item of items) {
      const result = make(item);
      result.catch(() => undefined); // awaited below, unless the consumer leaves first
      pending.push(result);
      if (pending.length > ahead) yield await pending.shift()!;
    }
    while (pending.length > 0) yield await pending.shift()!;
  } finally {
    await Promise.allSettled(pending);
  }
}
