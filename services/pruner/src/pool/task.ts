import type { Observable } from 'rxjs';
import type { WorkerConnection } from '@esparse/protocol';

/** A piece of work that any worker can do, and do again. */
export interface Task<T> {
  /** Tasks of one kind and size take about the same time. */
  readonly kind: string;
  /** How much there is to do, such as tokens. */
  readonly size: number;
  /** What spans and events say of it. */
  readonly ids: TaskIds;
  /**
   * Where it would best be done: tasks of one place go to one worker, as far as that is free when they are due. Workers may have what
   * they made there. @default anywhere
   */
  readonly place?: number;
  /** One attempt: emits its result once and completes. Unsubscribing cancels it. */
  readonly run$: (worker: WorkerConnection) => Observable<T>;
}

/** What a task is about. */
export interface TaskIds {
  readonly block?: number;
  readonly shards: readonly number[];
}

/** A task that goes to a worker once more. */
export interface Retry {
  readonly task: string;
  readonly why: 'failed' | 'overdue';
  readonly ids: TaskIds;
  /** The worker that it was at. */
  readonly worker: string;
  readonly message: string;
}
