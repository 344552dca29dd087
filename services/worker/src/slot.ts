/** A held value: `release` it once, when it is no longer used. */
export interface Held<V> {
  readonly value: V;
  release(): void;
}

/**
 * Keeps the value opened last, for the next caller that needs the same: a worker holds one model and one block, whatever the
 * number of calls. A value that is replaced is disposed of as soon as it is no longer used.
 */
export interface Slot<V> {
  /** The value of this key: the one that is kept, or a newly opened one. An opening that fails is not kept. */
  hold(key: string, open: () => Promise<V>): Promise<Held<V>>;
  /** Releases what is kept, and waits until it is gone. @param but not what has this key. @default all of it */
  clear(but?: string): Promise<void>;
}

interface Entry<V> {
  readonly value: Promise<V>;
  users: number;
  kept: boolean;
  /** Once it has been disposed of. */
  readonly gone: Promise<void>;
  readonly leave: () => void;
}

/** @param room - so many values are kept, those that were opened last */
export function createSlot<V>(dispose: (value: V) => void, room = 1): Slot<V> {
  const kept = new Map<string, Entry<V>>();

  const disposeIfUnused = (entry: Entry<V>) => {
    // A value that never opened has nothing to dispose of.
    if (!entry.kept && entry.users === 0) entry.value.then(dispose, () => undefined).finally(entry.leave);
  };
  const drop = (key: string, entry: Entry<V>) => {
    kept.delete(key);
    entry.kept = false;
    disposeIfUnused(entry);
  };
  const opened = (key: string, open: () => Promise<V>): Entry<V> => {
    const [oldest] = kept;
    if (oldest !== undefined && kept.size >= room) drop(...oldest);
    let leave: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (leave = resolve));
    const entry = { value: open(), users: 0, kept: true, gone, leave };
    kept.set(key, entry);
    return entry;
  };

  return {
    async hold(key, open) {
      const entry = kept.get(key) ?? opened(key, open);
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
        if (entry.kept) drop(key, entry);
        throw error;
      }
    },
    async clear(but) {
      const cleared = [...kept].filter(([key]) => key !== but);
      for (const [key, entry] of cleared) drop(key, entry);
      await Promise.all(cleared.map(([, { gone }]) => gone));
    },
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
