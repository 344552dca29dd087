import type { Observable } from 'rxjs';
import type { WorkerConnection } from '@esparse/protocol';
import { createDurations } from './durations.ts';
import { runTask$ } from './run-task.ts';
import { createTaskQueue } from './task-queue.ts';
import type { Retry, Task } from './task.ts';
import { createWorkerSlots, type WorkerSlots } from './worker-slots.ts';
import { createWorkerTallies, type WorkerTallies } from './worker-tallies.ts';

/** Runs tasks on the workers that there are: see `createWorkerPool`. */
export interface WorkerPool extends Pick<WorkerSlots, 'ready' | 'hold'> {
  readonly workers: readonly WorkerConnection[];
  /** Bytes of all messages, sent and received. */
  readonly wireBytes: number;
  readonly tallies: WorkerTallies;
  run$<T>(task: Task<T>): Observable<T>;
  close(): void;
}

export interface PoolOptions {
  /** Attempts under way at most. @default as many as workers are connected */
  readonly inFlight?: number | undefined;
  /** How long tasks wait while no worker is connected, or all are busy. @default WORKER_WAIT_MS */
  readonly waitMs?: number | undefined;
  /** Called when a task is tried again, or issued twice. */
  readonly onRetry?: ((retry: Retry) => void) | undefined;
}

/** How long tasks wait for a worker: one that Kubernetes restarts, or moves to another host, is back by then. */
export const WORKER_WAIT_MS = 120_000;

/**
 * A bounded pool of tasks over workers that come and go.
 *
 * As many attempts are under way as workers are connected, and gRPC sends each to the least busy one. A task that fails
 * because of its worker is tried again elsewhere, a few times; one that takes far longer than others of its kind is
 * issued a second time where a worker is free, and the first to finish wins while the other is cancelled: a task's result
 * is emitted once, however often it was tried. Where no worker is left, tasks wait for one for a while, then fail.
 */
export function createWorkerPool(
  workers: readonly WorkerConnection[],
  { inFlight, waitMs = WORKER_WAIT_MS, onRetry = () => undefined }: PoolOptions = {},
): WorkerPool {
  const durations = createDurations();
  const slots = createWorkerSlots(workers, inFlight);
  const tallies = createWorkerTallies(workers);
  const queue = createTaskQueue({ workers, slots, durations, waitMs, onRetry });
  for (const worker of workers) worker.watch(queue.schedule);
  return {
    workers,
    tallies,
    get ready() {
      return slots.ready;
    },
    get wireBytes() {
      return workers.reduce((sum, worker) => sum + worker.wireBytes, 0);
    },
    run$: (task) => runTask$(task, { queue, durations, tallies, waitMs, onRetry }),
    hold() {
      const release = slots.hold();
      return () => {
        release();
        queue.schedule();
      };
    },
    close() {
      queue.close();
      for (const worker of workers) worker.close();
    },
  };
}
