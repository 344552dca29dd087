/**
 * Asks the source for the next value while the consumer still works on this one: what is made (a sequence's
 * activations) and what is sent overlap, at the cost of holding one value more.
 */
export async function* oneAhead<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const result = await next;
      if (result.done === true) return;
      next = iterator.next();
      next.catch(() => undefined); // awaited in the next turn, unless the consumer leaves first
      yield result.value;
    }
  } finally {
    await next.catch(() => undefined);
    await iterator.return?.();
  }
}
