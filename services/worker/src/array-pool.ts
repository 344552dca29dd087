/** Arrays that a pool holds at most: as many as shards are under way. */
const MOST = 8;

/**
 * Arrays that are used again: to touch new memory takes longer than to fill it. Threads share their memory, since V8 collects its whole
 * heap for each 64 MB that are moved to a thread.
 */
export interface ArrayPool {
  /** One of so many elements, with anything in it. */
  take(length: number): Uint16Array;
  /** Takes one back. */
  give(array: Uint16Array): void;
}

export function createArrayPool(): ArrayPool {
  const arrays: Uint16Array[] = [];
  return {
    take(length) {
      const at = arrays.findIndex((array) => array.length === length);
      return at < 0 ? new Uint16Array(new SharedArrayBuffer(2 * length)) : arrays.splice(at, 1)[0]!;
    },
    give(array) {
      arrays.push(array);
      // Those of other lengths are the oldest.
      if (arrays.length > MOST) arrays.shift();
    },
  };
}
