import { NEVER, lastValueFrom, mergeMap, of, range, throwError, timer, map, toArray } from 'rxjs';
import type { WorkerConnection } from '@esparse/protocol';
import { createWorkerPool } from './worker-pool.ts';

const worker = (address: string) => ({ address, close: jest.fn() }) as unknown as WorkerConnection;

test('each worker has one task at a time, and all of them have work', async () => {
  const pool = createWorkerPool([worker('a'), worker('b')]);
  const busy = new Map<string, number>();
  const seen = await lastValueFrom(
    range(0, 12).pipe(
      mergeMap(
        (task) =>
          pool.run$(({ address }) => {
            busy.set(address, (busy.get(address) ?? 0) + 1);
            expect(busy.get(address)).toBe(1);
            return timer(1 + (task % 3)).pipe(
              map(() => {
                busy.set(address, 0);
                return address;
              }),
            );
          }),
        pool.workers.length,
      ),
      toArray(),
    ),
  );
  expect(new Set(seen)).toEqual(new Set(['a', 'b']));
});

test('a worker is free again when its task ends, fails or is given up', async () => {
  const pool = createWorkerPool([worker('a')]);
  const address = () => lastValueFrom(pool.run$((free) => of(free.address)));
  await expect(address()).resolves.toBe('a');
  await expect(lastValueFrom(pool.run$(() => throwError(() => new Error('lost'))))).rejects.toThrow('lost');
  await expect(address()).resolves.toBe('a');
  pool
    .run$(() => NEVER)
    .subscribe()
    .unsubscribe();
  await expect(address()).resolves.toBe('a');
});

test('more tasks than workers is a defect of the caller', async () => {
  const pool = createWorkerPool([worker('a')]);
  const held = pool.run$(() => NEVER).subscribe();
  await expect(lastValueFrom(pool.run$(() => of(1)))).rejects.toThrow(/more tasks/);
  held.unsubscribe();
});
