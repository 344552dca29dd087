import { from, last, map, mergeMap, type Observable } from 'rxjs';
import { SHARDS_AT_ONCE, type WorkerConnection } from '@esparse/protocol';
import { attempt$ } from './attempt.ts';
import type { WorkerPool } from './pool/worker-pool.ts';
import type { Task } from './pool/task.ts';
import { orLeaveRoom } from './or-leave-room.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import type { SolverDevice } from './solver-device.ts';
import { areOnGpus } from './statistics.ts';

/**
 * Shards of a task at most, for a worker on a GPU: they go through it side by side, but for the first and the last of a task, which have
 * nothing beside them. What is done is told, and done again where a worker is lost, by tasks.
 */
const SHARDS_OF_TASK = 32;

/** What is done with each shard, and what the tasks are called. */
export interface ShardWork extends Pick<Task<unknown>, 'kind'> {
  readonly block?: number;
  readonly call: (worker: WorkerConnection, shard: Shard, signal: AbortSignal) => Promise<void>;
}

/** Who does it, for which run, and beside what. */
interface EachShardContext extends Pick<RunContext, 'target'> {
  readonly pool: Pick<WorkerPool, 'run$' | 'ready'>;
  /** Devices of this process, beside whose memory workers may lack room. */
  readonly devices: readonly Pick<SolverDevice, 'trim'>[];
}

/** Has workers do something with each shard, in tasks of one or several; emits the shards of each that is done. */
export function eachShard$(
  { pool, target, devices }: EachShardContext,
  shards: readonly Shard[],
  { kind, block, call }: ShardWork,
): Observable<readonly Shard[]> {
  const onGpus = areOnGpus(target.numerics ?? '');
  const workers = Math.max(1, pool.ready);
  const tasksOfWorker = Math.ceil(shards.length / workers / SHARDS_OF_TASK);
  const share = Math.ceil(shards.length / (tasksOfWorker * workers));
  const each = onGpus ? Math.max(SHARDS_AT_ONCE, share) : 1;
  const count = Math.ceil(shards.length / each);
  const tasks = Array.from({ length: count }, (_, i) => ({
    task: shards.slice(i * each, (i + 1) * each),
    place: Math.floor((i * workers) / count),
  }));
  return from(inTurn(tasks)).pipe(
    // The pool bounds what is under way.
    mergeMap(({ task, place }) =>
      pool.run$({
        ...{ kind, place },
        size: task.reduce((sum, { sequences }) => sum + sequences * target.seqlen, 0),
        ids: { ...(block !== undefined && { block }), shards: task.map(({ index }) => index) },
        run$: (worker) =>
          from(task).pipe(
            mergeMap(
              (shard) => attempt$((cancelled) => orLeaveRoom(devices, () => call(worker, shard, cancelled))),
              onGpus ? SHARDS_AT_ONCE : 1,
            ),
            last(),
            map(() => task),
          ),
      }),
    ),
  );
}

/** The first of each place, then the second: the first task that is asked for goes to the first worker, the next to the next. */
function inTurn<T extends { readonly place: number }>(tasks: readonly T[]): readonly T[] {
  const seen = new Map<number, number>();
  const ranks = tasks.map(({ place }) => {
    const rank = seen.get(place) ?? 0;
    seen.set(place, rank + 1);
    return rank;
  });
  return tasks
    .map((task, i) => ({ task, rank: ranks[i]! }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ task }) => task);
}
