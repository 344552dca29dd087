import type { WorkerConnection } from '@esparse/protocol';
import { causeOf } from './no-worker.ts';
import type { Task } from './task.ts';

/** What is known of a worker, or of all those behind one name. */
export interface WorkerFigures {
  readonly worker: string;
  /** Workers that are connected: 0 while none can be reached. */
  readonly connected: number;
  /** Why none can be, where that is known. */
  readonly trouble?: string;
  /** Tasks that it works on, those that it has done, and those that it has failed at. */
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  /** Tokens of the tasks that it has done, and of those a second while it worked. */
  readonly tokens: number;
  readonly rate: number;
  /** As its operating system reports it; absent while it has not been asked. */
  readonly peakResidentBytes?: number;
}

/** How an attempt of a task ended; others were cancelled. */
export type AttemptOutcome = 'done' | 'failed' | 'cancelled';

/** Counts what workers do. */
export interface WorkerTallies {
  /** An attempt begins; what is returned is called when it has ended. */
  begin(worker: WorkerConnection, task: Pick<Task<unknown>, 'size'>): (outcome: AttemptOutcome) => void;
  /** The peak memory of a worker, as it says. */
  memory(worker: WorkerConnection, bytes: number): void;
  figures(): WorkerFigures[];
}

/** @param now milliseconds */
export function createWorkerTallies(
  workers: readonly WorkerConnection[],
  now: () => number = () => performance.now(),
): WorkerTallies {
  const tallies = new Map(
    workers.map((worker) => [
      worker,
      {
        running: 0,
        done: 0,
        failed: 0,
        tokens: 0,
        busyMs: 0,
        since: 0,
        peak: undefined as number | undefined,
      },
    ]),
  );
  return {
    begin(worker, { size }) {
      const tally = tallies.get(worker);
      if (tally === undefined) return () => undefined;
      if (tally.running++ === 0) tally.since = now();
      return (outcome) => {
        if (--tally.running === 0) tally.busyMs += now() - tally.since;
        if (outcome === 'failed') tally.failed++;
        if (outcome !== 'done') return;
        tally.done++;
        tally.tokens += size;
      };
    },
    memory(worker, bytes) {
      const tally = tallies.get(worker);
      if (tally !== undefined) tally.peak = Math.max(tally.peak ?? 0, bytes);
    },
    figures: () =>
      [...tallies].map(
        ([{ address, ready, trouble }, { running, done, failed, tokens, busyMs, since, peak }]) => {
          const worked = busyMs + (running > 0 ? now() - since : 0);
          return {
            ...{ worker: address, connected: ready },
            ...(ready === 0 && trouble !== undefined && { trouble: causeOf(trouble) }),
            ...{ running, done, failed, tokens },
            rate: worked > 0 ? Number(((1000 * tokens) / worked).toPrecision(4)) : 0,
            ...(peak !== undefined && { peakResidentBytes: peak }),
          };
        },
      ),
  };
}
