import { lastValueFrom, toArray } from 'rxjs';
import { SHARDS_AT_ONCE, type WorkerConnection } from '@esparse/protocol';
import { eachShard$ } from './each-shard.ts';
import type { Task } from './pool/task.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import type { SolverDevice } from './solver-device.ts';

const SHARDS = 40;
const shards = Array.from({ length: SHARDS }, (_, index): Shard => {
  return { index, sequences: 1, tokens: new Uint32Array(4) };
});

/** Runs all shards on workers of such numerics, one task after the other. */
async function run(
  numerics: string,
  {
    fails = -1,
    ready = 1,
    devices = [],
  }: { fails?: number; ready?: number; devices?: readonly Pick<SolverDevice, 'trim'>[] } = {},
) {
  const sizes: number[] = [];
  const seen: number[] = [];
  const pool = {
    ready,
    run$: <T>(task: Task<T>) => {
      sizes.push(task.size);
      return task.run$({} as WorkerConnection);
    },
  };
  const target = { numerics, seqlen: 4 } as RunContext['target'];
  const call = async (_: WorkerConnection, { index }: Shard) => {
    await new Promise(setImmediate);
    if (index === fails) throw new Error(`shard ${index} failed`);
    seen.push(index);
  };
  const done = await lastValueFrom(
    eachShard$({ pool, target, devices }, shards, { kind: 'advance', call }).pipe(toArray()),
  );
  return { sizes, seen, done: done.flat().map(({ index }) => index) };
}

test('on the processor a shard is a task', async () => {
  const { sizes, done } = await run('onnxruntime-1/cpu');
  expect(sizes).toEqual(Array(SHARDS).fill(4));
  expect(done).toHaveLength(SHARDS);
});

test('on a GPU a task has many shards, several of which are under way, and tells of all when it is done', async () => {
  const { sizes, seen, done } = await run('cuda/gpu');
  expect(sizes).toEqual([80, 80]);
  expect((await run('cuda/gpu', { ready: 2 })).sizes).toEqual([80, 80]);
  expect((await run('cuda/gpu', { ready: 9 })).sizes).toEqual([32, 32, 32, 32, 32]);
  const all = shards.map(({ index }) => index);
  expect([...seen].sort((a, b) => a - b)).toEqual(all);
  expect(done.sort((a, b) => a - b)).toEqual(all);
});

test('of one task no more shards are under way than a worker takes, and one that fails is the failure of all', async () => {
  const target = { numerics: 'cuda/gpu', seqlen: 4 } as RunContext['target'];
  // Each task has a worker of its own here, which counts.
  const underWay = new Map<WorkerConnection, number>();
  const pool = { ready: 1, run$: <T>({ run$ }: Task<T>) => run$({ ready: 1 } as WorkerConnection) };
  const seen: number[] = [];
  const call = async (worker: WorkerConnection) => {
    const others = underWay.get(worker) ?? 0;
    underWay.set(worker, others + 1);
    seen.push(others + 1);
    await new Promise(setImmediate);
    underWay.set(worker, underWay.get(worker)! - 1);
  };
  await lastValueFrom(eachShard$({ pool, target, devices: [] }, shards, { kind: 'open', call }));
  expect(underWay.size).toBe(2);
  expect(Math.max(...seen)).toBe(SHARDS_AT_ONCE);
  await expect(run('cuda/gpu', { fails: 17 })).rejects.toThrow('shard 17 failed');
});

test('where a worker fails, all devices of this process give back what they hold to use again, even if one is lost', async () => {
  const trimmed: number[] = [];
  const devices = [0, 1, 2].map((i) => ({
    trim: () => {
      if (i === 1) throw new Error('lost');
      trimmed.push(i);
    },
  }));
  await run('cuda/gpu', { devices });
  expect(trimmed).toEqual([]);
  await expect(run('cuda/gpu', { devices, fails: 17 })).rejects.toThrow('shard 17 failed');
  expect(trimmed).toEqual([0, 2]);
});
