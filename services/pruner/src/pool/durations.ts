/** Times of this many finished tasks of a kind are kept: the latest, since blocks differ little from each other. */
const KEPT = 64;
/** Until so many are known, nothing is overdue. */
const LEAST_KNOWN = 3;
/** A task that takes this many times the median is overdue: workers of one kind differ by far less. */
const OVERDUE_FACTOR = 4;
/** No task is overdue before this: the first one of a block reads its weights, which short ones would not make up for. */
const LEAST_OVERDUE_MS = 10_000;

/** A task's kind and size. */
interface Sized {
  readonly kind: string;
  readonly size: number;
}

/** Learns how long tasks take. */
export interface Durations {
  add(task: Sized, ms: number): void;
  /** After how long such a task is overdue. */
  overdueMs(task: Sized): number;
}

export function createDurations(): Durations {
  const known = new Map<string, number[]>();
  return {
    add({ kind, size }, ms) {
      const ofKind = known.get(kind) ?? [];
      ofKind.push(ms / size);
      if (ofKind.length > KEPT) ofKind.shift();
      known.set(kind, ofKind);
    },
    overdueMs({ kind, size }) {
      const ofKind = known.get(kind) ?? [];
      if (ofKind.length < LEAST_KNOWN) return Infinity;
      const median = [...ofKind].sort((a, b) => a - b)[Math.floor(ofKind.length / 2)]!;
      return Math.max(LEAST_OVERDUE_MS, OVERDUE_FACTOR * median * size);
    },
  };
}
