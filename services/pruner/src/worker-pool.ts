import { Observable, Subscription, asyncScheduler, interval, timer } from 'rxjs';
import { EsparseError, toEsparseError } from '@esparse/errors';
import type { WorkerConnection } from '@esparse/protocol';
import { activeSpan, beginSpan } from '@esparse/telemetry';
import { createDurations } from './durations.ts';
import { isWorkersFault, MAX_ATTEMPTS, noWorker, pauseMs } from './retry.ts';

/** A piece of work that any worker can do, and do again. */
export interface Task<T> {
  /** Tasks of one kind take like times for like sizes. */
  readonly kind: string;
  /** How much there is to do, such as tokens. */
  readonly size: number;
  /** What spans and events tell of it. */
  readonly of: TaskIds;
  /** One attempt: emits its result once and completes. Unsubscribing cancels it. */
  readonly run$: (worker: WorkerConnection) => Observable<T>;
}

/** Runs tasks on the workers that there are: see `createWorkerPool`. */
export interface WorkerPool {
  readonly workers: readonly WorkerConnection[];
  /** Workers that are connected now. */
  readonly ready: number;
  /** Bytes of all messages, sent and received. */
  readonly wireBytes: number;
  run$<T>(task: Task<T>): Observable<T>;
  /**
   * Counts a result that still waits for its use against the attempts that may begin, until what it gives is called:
   * results and attempts together are one more than the workers at most, so that none idles behind a use that keeps up,
   * and no more pile up behind one that does not.
   */
  hold(): () => void;
  close(): void;
}

export interface PoolOptions {
  /** Attempts under way at most. @default as many as workers are connected */
  readonly inFlight?: number | undefined;
  /** How long tasks wait while no worker is connected, or all are busy. @default WORKER_WAIT_MS */
  readonly waitMs?: number | undefined;
  /** Told of a task that is tried again, or issued twice. */
  readonly retry?: ((retry: Retry) => void) | undefined;
}

/** A task that goes to a worker once more. */
export interface Retry {
  readonly task: string;
  readonly why: 'failed' | 'overdue';
  readonly of: TaskIds;
  /** The worker that it was at. */
  readonly worker: string;
  readonly message: string;
}

/** What a task is about. */
export interface TaskIds {
  readonly block?: number;
  readonly shards: readonly number[];
}

/** How long tasks wait for a worker: one that Kubernetes restarts, or moves to another host, is back by then. */
export const WORKER_WAIT_MS = 120_000;

/** How often running tasks are looked at for those that are overdue. */
const LOOK_MS = 1_000;

/** A task and what became of it so far. */
interface Job {
  readonly kind: string;
  readonly size: number;
  readonly of: TaskIds;
  /** Carries an attempt out; what it runs is added to it. */
  readonly begin: (attempt: Subscription, on: WorkerConnection) => void;
  readonly fail: (error: EsparseError) => void;
  readonly attempts: Map<Subscription, WorkerConnection>;
  failures: number;
  /** When the attempt that is under way began. */
  begun: number;
  /** Since when busy workers have refused it. */
  refused: number | undefined;
  /** Where it failed last: it is tried elsewhere, if there is an elsewhere. */
  avoid: WorkerConnection | undefined;
}

/**
 * A bounded pool of tasks over workers that come and go.
 *
 * As many attempts are under way as workers are connected, and gRPC sends each to the least busy one. A task that fails
 * because of its worker is tried again elsewhere, a few times; one that takes far longer than its like is issued a
 * second time where a worker is free, and the first to finish wins while the other is cancelled: a task's result is
 * emitted once, however often it was tried. Where no worker is left, tasks wait for one for a while, then fail.
 */
export function createWorkerPool(
  workers: readonly WorkerConnection[],
  { inFlight = Infinity, waitMs = WORKER_WAIT_MS, retry = () => undefined }: PoolOptions = {},
): WorkerPool {
  const durations = createDurations();
  const load = new Map(workers.map((worker) => [worker, 0]));
  const waiting: Job[] = [];
  const running = new Set<Job>();
  let held = 0;
  let outage: Subscription | undefined;
  let looking: Subscription | undefined;

  const ready = () => workers.reduce((sum, worker) => sum + worker.ready, 0);
  const underWay = () => [...load.values()].reduce((sum, count) => sum + count, 0);
  const now = () => asyncScheduler.now();

  /** The connection with the most workers to spare; the one to avoid only where there is no other. */
  const spare = (avoid?: WorkerConnection): WorkerConnection | undefined => {
    const slots = Math.min(inFlight, ready());
    if (underWay() >= slots || underWay() + held > slots) return undefined;
    const free = (worker: WorkerConnection) => worker.ready - load.get(worker)!;
    const candidates = workers.filter((worker) => free(worker) > 0);
    const [best] = candidates.sort(
      (a, b) => Number(isOnly(a, avoid)) - Number(isOnly(b, avoid)) || free(b) - free(a),
    );
    return best;
  };
  /** Behind a name with several workers, gRPC finds another one by itself. */
  const isOnly = (worker: WorkerConnection, avoid: WorkerConnection | undefined) =>
    worker === avoid && worker.ready === 1;

  const start = (job: Job, on: WorkerConnection) => {
    running.add(job);
    if (job.attempts.size === 0) job.begun = now();
    const attempt = new Subscription(() => {
      job.attempts.delete(attempt);
      load.set(on, load.get(on)! - 1);
    });
    job.attempts.set(attempt, on);
    load.set(on, load.get(on)! + 1);
    job.begin(attempt, on);
  };

  /** Gives work to workers that have none: what waits, then what is overdue. */
  const schedule = () => {
    watchForOutage();
    while (waiting.length > 0) {
      const worker = spare(waiting[0]!.avoid);
      if (worker === undefined) return;
      start(waiting.shift()!, worker);
    }
    for (const job of running) {
      if (job.attempts.size !== 1 || now() - job.begun < durations.overdueMs(job)) continue;
      const [first] = job.attempts.values();
      const worker = spare(first);
      if (worker === undefined || isOnly(worker, first)) continue;
      retry({
        task: job.kind,
        why: 'overdue',
        of: job.of,
        worker: first!.address,
        message: `a ${job.kind} task at ${first!.address} is overdue: it is issued again at ${worker.address}`,
      });
      start(job, worker);
    }
  };

  const watchForOutage = () => {
    if (ready() > 0 || (waiting.length === 0 && running.size === 0)) {
      outage?.unsubscribe();
      outage = undefined;
      return;
    }
    outage ??= timer(waitMs).subscribe(() => {
      outage = undefined;
      for (const job of waiting.splice(0)) job.fail(noWorker(workers, waitMs));
    });
  };

  const wait = (job: Job) => {
    waiting.push(job);
    looking ??= interval(LOOK_MS).subscribe(schedule);
    schedule();
  };
  const leave = (job: Job) => {
    running.delete(job);
    if (waiting.includes(job)) waiting.splice(waiting.indexOf(job), 1);
    if (running.size > 0 || waiting.length > 0) return;
    looking?.unsubscribe();
    looking = undefined;
    watchForOutage();
  };

  /** Whether a failed task may be tried again, and after which pause. */
  const pauseAfter = (job: Job, error: EsparseError): number | undefined => {
    if (error.kind === 'busy') {
      job.refused ??= now();
      return now() - job.refused < waitMs ? pauseMs(0) : undefined;
    }
    job.refused = undefined;
    return isWorkersFault(error) && ++job.failures < MAX_ATTEMPTS ? pauseMs(job.failures) : undefined;
  };

  for (const worker of workers) worker.watch(schedule);

  return {
    workers,
    get ready() {
      return ready();
    },
    get wireBytes() {
      return workers.reduce((sum, worker) => sum + worker.wireBytes, 0);
    },
    run$: <T>(task: Task<T>) =>
      new Observable<T>((subscriber) => {
        let pause: Subscription | undefined;
        // Attempts begin whenever a worker is free, in any context.
        const parent = activeSpan();
        let attempts = 0;
        const job: Job = {
          kind: task.kind,
          size: task.size,
          of: task.of,
          attempts: new Map(),
          failures: 0,
          begun: 0,
          refused: undefined,
          avoid: undefined,
          fail(error) {
            subscriber.error(error);
          },
          begin(attempt, on) {
            let result: { readonly value: T } | undefined;
            const began = now();
            const told = {
              'esparse.block': task.of.block,
              'esparse.shards': task.of.shards,
              'esparse.worker': on.address,
              'esparse.attempt': ++attempts,
            };
            const span = beginSpan(task.kind, told, parent);
            attempt.add(() => {
              span.end();
            });
            const watched = {
              next(value: T) {
                result = { value };
              },
              error(thrown: unknown) {
                span.end(thrown);
                attempt.unsubscribe();
                failed(toEsparseError(thrown), on);
              },
              complete() {
                attempt.unsubscribe();
                if (result === undefined) {
                  failed(new EsparseError('internal', `a ${task.kind} task gave no result`), on);
                  return;
                }
                durations.add(task, now() - began);
                subscriber.next(result.value);
                subscriber.complete();
              },
            };
            attempt.add(span.within(() => task.run$(on).subscribe(watched)));
          },
        };
        const failed = (error: EsparseError, on: WorkerConnection) => {
          if (subscriber.closed) return;
          if (job.attempts.size > 0 && (error.kind === 'busy' || isWorkersFault(error))) {
            // The other attempt goes on, and may become overdue anew.
            job.begun = now();
            schedule();
            return;
          }
          const ms = pauseAfter(job, error);
          if (ms === undefined) {
            subscriber.error(error);
            return;
          }
          if (error.kind !== 'busy') {
            retry({
              task: task.kind,
              why: 'failed',
              of: task.of,
              worker: on.address,
              message: `a ${task.kind} task is tried again: ${error.message}`,
            });
          }
          job.avoid = on;
          running.delete(job);
          pause = timer(ms).subscribe(() => {
            wait(job);
          });
          schedule();
        };
        wait(job);
        return () => {
          pause?.unsubscribe();
          for (const [attempt] of job.attempts) attempt.unsubscribe();
          leave(job);
          schedule();
        };
      }),
    hold() {
      held++;
      let given = false;
      return () => {
        if (given) return;
        given = true;
        held--;
        schedule();
      };
    },
    close() {
      looking?.unsubscribe();
      outage?.unsubscribe();
      for (const worker of workers) worker.close();
    },
  };
}
