/** A held value: `release` it once, when it is no longer used. */
export interface Held<V> {
  readonly value: V;
  release(): void;
}

/**
 * Keeps the value used last, for the next caller that needs the same: a worker holds one model and one block, whatever the
 * number of calls. A value that is replaced is disposed of as soon as it is no longer used.
 */
export interface Slot<V> {
  /** The value of this key: the one that is kept, or a newly opened one. An opening that fails is not kept. */
  hold(key: string, open: () => Promise<V>): Promise<Held<V>>;
  /** Releases the kept value. */
  clear(): void;
}

interface Entry<V> {
  readonly key: string;
  readonly value: Promise<V>;
  users: number;
  kept: boolean;
}

export function createSlot<V>(dispose: (value: V) => void): Slot<V> {
  let current: Entry<V> | undefined;

  const disposeIfUnused = (entry: Entry<V>) => {
    // A value that never opened has nothing to dispose of.
    if (!entry.kept && entry.users === 0) entry.value.then(dispose, () => undefined);
  };
  const drop = () => {
    if (current === undefined) return;
    current.kept = false;
    disposeIfUnused(current);
    current = undefined;
  };

  return {
    async hold(key, open) {
      if (current?.key !== key) {
        drop();
        current = { key, value: open(), users: 0, kept: true };
      }
      const entry = current;
      entry.users++;
      let held = true;
      const release = () => {
        if (!held) return;
        held = false;
        entry.users--;
        disposeIfUnused(entry);
      };
      try {
        return { value: await entry.value, release };
      } catch (error) {
        release();
        if (current === entry) drop();
        throw error;
      }
    },
    clear: drop,
  };
}

/** Uses what is held, and then lets go of it. */
export async function withHeld<Value, Result>(
  held: Promise<Held<Value>>,
  use: (value: Value) => Promise<Result>,
): Promise<Result> {
  const { value, release } = await held;
  try {
    return await use(value);
  } finally {
    release();
  }
}
