import { Observable, asyncScheduler, timer, type Subscription } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import type { WorkerConnection } from '@esparse/protocol';
import { activeSpan } from '@esparse/telemetry';
import type { Durations } from './durations.ts';
import { createRetryPolicy, MAX_ATTEMPTS, mayPass } from './retry.ts';
import { taskAttempt$ } from './task-attempt.ts';
import type { Job, TaskQueue } from './task-queue.ts';
import type { AttemptOutcome, WorkerTallies } from './worker-tallies.ts';
import type { Retry, Task } from './task.ts';

export interface RunTaskOptions {
  readonly queue: TaskQueue;
  /** Learns how long the task took. */
  readonly durations: Durations;
  /** Learns who did it. */
  readonly tallies: WorkerTallies;
  /** How long busy workers are waited for. */
  readonly waitMs: number;
  /** Called when the task is tried again. */
  readonly onRetry: (retry: Retry) => void;
}

/**
 * Runs a task through the queue until one attempt has succeeded, which cancels the others. An attempt that fails is
 * followed by another after a pause, as `createRetryPolicy` decides.
 */
export function runTask$<T>(task: Task<T>, options: RunTaskOptions): Observable<T> {
  const { queue, durations, tallies, waitMs, onRetry } = options;
  return new Observable((subscriber) => {
    const retries = createRetryPolicy(waitMs, () => asyncScheduler.now());
    const parent = activeSpan();
    let attempts = 0;
    let pause: Subscription | undefined;

    const begin = (attempt: Subscription, worker: WorkerConnection) => {
      const began = asyncScheduler.now();
      const ended = tallies.begin(worker, task);
      let outcome: AttemptOutcome = 'cancelled';
      attempt.add(() => {
        ended(outcome);
      });
      const watcher = {
        next(value: T) {
          outcome = 'done';
          attempt.unsubscribe();
          durations.add(task, asyncScheduler.now() - began);
          subscriber.next(value);
          subscriber.complete();
        },
        error(error: EsparseError) {
          outcome = 'failed';
          attempt.unsubscribe();
          failed(error, worker);
        },
      };
      attempt.add(taskAttempt$(task, worker, ++attempts, parent).subscribe(watcher));
    };

    const failed = (error: EsparseError, worker: WorkerConnection) => {
      if (subscriber.closed) return;
      if (job.attempts.size > 0 && mayPass(error)) {
        // The other attempt goes on, and may become overdue anew.
        job.begun = asyncScheduler.now();
        queue.schedule();
        return;
      }
      const ms = retries.pauseAfter(error);
      if (ms === undefined) {
        subscriber.error(error.kind !== 'busy' && mayPass(error) ? givenUp(task, error) : error);
        return;
      }
      if (error.kind !== 'busy') onRetry(retryAfter(task, worker, error));
      job.avoid = worker;
      pause = timer(ms).subscribe(() => {
        queue.enqueue(job);
      });
      queue.suspend(job);
    };

    const job: Job = {
      task,
      attempts: new Map(),
      begun: 0,
      avoid: undefined,
      begin,
      fail(error) {
        subscriber.error(error);
      },
    };
    queue.enqueue(job);
    return () => {
      pause?.unsubscribe();
      for (const [attempt] of job.attempts) attempt.unsubscribe();
      queue.remove(job);
    };
  });
}

/** The end of a task whose last attempt failed, too: the last failure, in its own words. */
function givenUp({ kind }: Task<unknown>, error: EsparseError): EsparseError {
  const { hint, context, message } = error;
  return new EsparseError(
    error.kind,
    `a ${kind} task failed ${MAX_ATTEMPTS} times, the last time: ${message}`,
    { hint, context, cause: error },
  );
}

function retryAfter({ kind, ids }: Task<unknown>, { address }: WorkerConnection, error: EsparseError): Retry {
  const message = `a ${kind} task is tried again: ${error.message}`;
  return { task: kind, why: 'failed', ids, worker: address, message };
}
