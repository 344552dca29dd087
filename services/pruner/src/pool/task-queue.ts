import { Subscription, asyncScheduler, interval, timer } from 'rxjs';
import type { EsparseError } from '@esparse/errors';
import type { WorkerConnection } from '@esparse/protocol';
import type { Durations } from './durations.ts';
import { noWorker } from './no-worker.ts';
import type { Retry, Task } from './task.ts';
import { isSameWorker, type WorkerSlots } from './worker-slots.ts';

/** A task in the queue, and its attempts. */
export interface Job {
  readonly task: Pick<Task<unknown>, 'kind' | 'size' | 'ids' | 'place'>;
  /** Carries an attempt out; what it runs is added to it. */
  readonly begin: (attempt: Subscription, worker: WorkerConnection) => void;
  readonly fail: (error: EsparseError) => void;
  /** Those under way, each at its worker. */
  readonly attempts: Map<Subscription, WorkerConnection>;
  /** When the only attempt, or the first of two, began. */
  begun: number;
  /** Where it failed last: it is tried elsewhere, if there is an elsewhere. */
  avoid: WorkerConnection | undefined;
}

/** Gives jobs to workers that are free: those that wait, then those that are overdue a second time. */
export interface TaskQueue {
  /** Lets a job wait for a worker. */
  enqueue(job: Job): void;
  /** Takes a job out that pauses before its next attempt. */
  suspend(job: Job): void;
  /** Takes a job out for good. */
  remove(job: Job): void;
  /** Looks for work that can begin now. */
  schedule(): void;
  close(): void;
}

export interface TaskQueueOptions {
  readonly workers: readonly WorkerConnection[];
  readonly slots: WorkerSlots;
  readonly durations: Durations;
  /** How long jobs wait while no worker is connected. */
  readonly waitMs: number;
  /** Called when an overdue task is issued a second time. */
  readonly onRetry: (retry: Retry) => void;
}

/** How often jobs are looked through for those that are overdue. */
const LOOK_MS = 1_000;

export function createTaskQueue({ workers, slots, durations, waitMs, onRetry }: TaskQueueOptions): TaskQueue {
  const waiting: Job[] = [];
  const running = new Set<Job>();
  let outage: Subscription | undefined;
  let looking: Subscription | undefined;

  const start = (job: Job, worker: WorkerConnection) => {
    running.add(job);
    if (job.attempts.size === 0) job.begun = asyncScheduler.now();
    const release = slots.acquire(worker);
    const attempt = new Subscription(() => {
      job.attempts.delete(attempt);
      release();
    });
    job.attempts.set(attempt, worker);
    job.begin(attempt, worker);
  };

  /** Whether a worker is the place of a job, which has not failed there. */
  const isOf =
    (worker: WorkerConnection) =>
    ({ task: { place }, avoid }: Job) =>
      place !== undefined && workers[place % workers.length] === worker && avoid !== worker;

  const startWaiting = () => {
    while (waiting.length > 0) {
      const worker = slots.free(waiting[0]!.avoid);
      if (worker === undefined) return;
      const [job] = waiting.splice(Math.max(0, waiting.findIndex(isOf(worker))), 1);
      start(job!, worker);
    }
  };

  /** Issues jobs a second time that take far longer than others of their kind. */
  const startOverdue = () => {
    for (const job of running) {
      if (job.attempts.size !== 1 || asyncScheduler.now() - job.begun < durations.overdueMs(job.task))
        continue;
      const [first] = job.attempts.values();
      const worker = slots.free(first);
      if (worker === undefined || isSameWorker(worker, first)) continue;
      onRetry(overdue(job, first!, worker));
      start(job, worker);
    }
  };

  const schedule = () => {
    watchForOutage();
    startWaiting();
    if (waiting.length === 0) startOverdue();
  };

  /** Fails what waits where no worker has been connected for `waitMs`. */
  const watchForOutage = () => {
    if (slots.ready > 0 || (waiting.length === 0 && running.size === 0)) {
      outage?.unsubscribe();
      outage = undefined;
      return;
    }
    outage ??= timer(waitMs).subscribe(() => {
      outage = undefined;
      for (const job of waiting.splice(0)) job.fail(noWorker(workers, waitMs));
    });
  };

  return {
    enqueue(job) {
      waiting.push(job);
      looking ??= interval(LOOK_MS).subscribe(schedule);
      schedule();
    },
    suspend(job) {
      running.delete(job);
      schedule();
    },
    remove(job) {
      running.delete(job);
      if (waiting.includes(job)) waiting.splice(waiting.indexOf(job), 1);
      if (running.size === 0 && waiting.length === 0) {
        looking?.unsubscribe();
        looking = undefined;
      }
      schedule();
    },
    schedule,
    close() {
      looking?.unsubscribe();
      outage?.unsubscribe();
    },
  };
}

function overdue({ task: { kind, ids } }: Job, first: WorkerConnection, worker: WorkerConnection): Retry {
  return {
    task: kind,
    why: 'overdue',
    ids,
    worker: first.address,
    message: `a ${kind} task at ${first.address} is overdue: it is issued again at ${worker.address}`,
  };
}
