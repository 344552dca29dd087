/**
 * An order of channels, as far as something asks for one: the original channel at each place, -1 where any will do. Places that
 * are asked for are a closed set: their channels are those places.
 */
export type Order = Int32Array;

/** An order that asks for nothing. */
export function anyOrder(channels: number): Order {
  return new Int32Array(channels).fill(-1);
}

/** The orders of parts that follow one another; undefined where a channel would leave its part. */
export function partsOfOrder(order: Order, sizes: readonly number[]): Order[] | undefined {
  let from = 0;
  const parts: Order[] = [];
  for (const size of sizes) {
    const part = order.slice(from, from + size).map((channel) => (channel < 0 ? -1 : channel - from));
    // What came from a part before is negative now, and not -1 alone.
    const isWithin = part.every((channel, i) => order[from + i]! < 0 || (channel >= 0 && channel < size));
    if (!isWithin) return undefined;
    parts.push(part);
    from += size;
  }
  return from === order.length ? parts : undefined;
}

/** The order of what parts make together; those that are undefined ask for nothing. */
export function orderOfParts(sizes: readonly number[], parts: readonly (Order | undefined)[]): Order {
  const order = anyOrder(sizes.reduce((sum, size) => sum + size, 0));
  let from = 0;
  sizes.forEach((size, i) => {
    parts[i]?.forEach((channel, at) => (order[from + at] = channel < 0 ? -1 : from + channel));
    from += size;
  });
  return order;
}

/** What both ask for; undefined where they differ. */
export function mergedOrder(a: Order, b: Order): Order | undefined {
  if (a.length !== b.length) return undefined;
  const both = a.map((channel, i) => (channel < 0 ? b[i]! : channel));
  return both.every((channel, i) => b[i]! < 0 || channel === b[i]) ? both : undefined;
}

/** Leaves in its place what nothing asks for. */
export function completeOrder(order: Order): Int32Array {
  return order.map((channel, i) => (channel < 0 ? i : channel));
}

/** Whether it asks for nothing. */
export function isAny(order: Order): boolean {
  return order.every((channel) => channel < 0);
}

/** The order in which all is where it was. */
export function identityOf(channels: number): Order {
  return Int32Array.from({ length: channels }, (_, i) => i);
}

/** Whether it leaves all where it is, as far as it asks for anything. */
export function isIdentity(order: Order): boolean {
  return order.every((channel, i) => channel < 0 || channel === i);
}

/** Both orders at once, where no place is moved by the two; undefined otherwise. */
export function composedOrder(a: Order, b: Order): Order | undefined {
  const both = a.map((channel, i) => (channel === i ? b[i]! : channel));
  return a.every((channel, i) => channel === i || b[i] === i) ? both : undefined;
}
