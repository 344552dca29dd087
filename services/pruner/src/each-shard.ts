import { from, last, map, mergeMap, type Observable } from 'rxjs';
import { SHARDS_AT_ONCE, type WorkerConnection } from '@esparse/protocol';
import { attempt$ } from './attempt.ts';
import type { WorkerPool } from './pool/worker-pool.ts';
import type { Task } from './pool/task.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import { areOnGpus } from './statistics.ts';

/**
 * Tasks for each worker on a GPU: their shards go through it side by side, but for the first and the last of a task, which have
 * nothing beside them.
 */
const TASKS_OF_WORKER = 2;

/** What is done with each shard, and what the tasks are called. */
export interface ShardWork extends Pick<Task<unknown>, 'kind'> {
  readonly block?: number;
  readonly call: (worker: WorkerConnection, shard: Shard, signal: AbortSignal) => Promise<void>;
}

/** Has workers do something with each shard, in tasks of one or several; emits the shards of each that is done. */
export function eachShard$(
  {
    pool,
    target,
  }: { readonly pool: Pick<WorkerPool, 'run$' | 'ready'>; readonly target: RunContext['target'] },
  shards: readonly Shard[],
  { kind, block, call }: ShardWork,
): Observable<readonly Shard[]> {
  const onGpus = areOnGpus(target.numerics ?? '');
  const share = Math.ceil(shards.length / (TASKS_OF_WORKER * Math.max(1, pool.ready)));
  const each = onGpus ? Math.max(SHARDS_AT_ONCE, share) : 1;
  const tasks = Array.from({ length: Math.ceil(shards.length / each) }, (_, i) =>
    shards.slice(i * each, (i + 1) * each),
  );
  return from(tasks).pipe(
    // The pool bounds what is under way.
    mergeMap((task) =>
      pool.run$({
        kind,
        size: task.reduce((sum, { sequences }) => sum + sequences * target.seqlen, 0),
        ids: { ...(block !== undefined && { block }), shards: task.map(({ index }) => index) },
        run$: (worker) =>
          from(task).pipe(
            mergeMap(
              (shard) => attempt$((cancelled) => call(worker, shard, cancelled)),
              onGpus ? SHARDS_AT_ONCE : 1,
            ),
            last(),
            map(() => task),
          ),
      }),
    ),
  );
}
