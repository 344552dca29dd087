/** Bytes of the arrays that were made with `new Float32Array` since `countArrays` and not freed. */
export interface ArrayCount {
  /** Now. */
  held(): number;
  /** At most, at any moment so far. */
  peak(): number;
  /** Ends the count. */
  stop(): void;
}

/**
 * Counts arrays as they are made. Only `free` takes one off, so the figures are the same in every run, whenever the
 * garbage collector runs.
 */
export function countArrays(): ArrayCount {
  const Original = globalThis.Float32Array;
  const arrays: Float32Array[] = [];
  let peak = 0;
  // A freed array is empty.
  const held = () => arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  globalThis.Float32Array = new Proxy(Original, {
    construct(target, args: [], newTarget: typeof Original) {
      const array = Reflect.construct(target, args, newTarget) as Float32Array;
      arrays.push(array);
      peak = Math.max(peak, held());
      return array;
    },
  });
  return {
    held,
    peak: () => peak,
    stop() {
      globalThis.Float32Array = Original;
    },
  };
}
