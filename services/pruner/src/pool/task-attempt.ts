import { Observable } from 'rxjs';
import { EsparseError, toEsparseError } from '@esparse/errors';
import type { WorkerConnection } from '@esparse/protocol';
import { beginSpan, type OpenSpan } from '@esparse/telemetry';
import type { Task } from './task.ts';

/**
 * One attempt of a task at a worker, in a span of its own: emits the result and completes once the task has, and errors
 * where it gave none.
 *
 * @param number of the attempt, from 1
 * @param parent of the span: attempts begin whenever a worker is free, in any context
 */
export function taskAttempt$<T>(
  { kind, ids, run$ }: Task<T>,
  worker: WorkerConnection,
  number: number,
  parent: Parameters<typeof beginSpan>[2],
): Observable<T> {
  return new Observable((subscriber) => {
    const span: OpenSpan = beginSpan(
      kind,
      {
        'esparse.block': ids.block,
        'esparse.shards': ids.shards,
        'esparse.worker': worker.address,
        'esparse.attempt': number,
      },
      parent,
    );
    let result: { readonly value: T } | undefined;
    const watcher = {
      next(value: T) {
        result = { value };
      },
      error(error: unknown) {
        span.end(error);
        subscriber.error(toEsparseError(error));
      },
      complete() {
        if (result === undefined) {
          subscriber.error(new EsparseError('internal', `a ${kind} task gave no result`));
          return;
        }
        subscriber.next(result.value);
        subscriber.complete();
      },
    };
    const running = span.within(() => run$(worker).subscribe(watcher));
    return () => {
      running.unsubscribe();
      span.end();
    };
  });
}
