import { Observable, finalize } from 'rxjs';
import type { WorkerConnection } from '@esparse/protocol';

/** Hands each task to a worker that has none. */
export interface WorkerPool {
  readonly workers: readonly WorkerConnection[];
  /** Runs a task on a free worker; the worker is free again when the task's stream ends, however it ends. */
  run$<T>(task: (worker: WorkerConnection) => Observable<T>): Observable<T>;
  close(): void;
}

/** At most one task a worker: callers keep no more tasks in flight than there are workers. */
export function createWorkerPool(workers: readonly WorkerConnection[]): WorkerPool {
  const free = [...workers];
  return {
    workers,
    run$: (task) =>
      new Observable((subscriber) => {
        const worker = free.shift();
        if (worker === undefined) throw new Error('more tasks are in flight than there are workers');
        return task(worker)
          .pipe(finalize(() => free.push(worker)))
          .subscribe(subscriber);
      }),
    close() {
      for (const worker of workers) worker.close();
    },
  };
}
