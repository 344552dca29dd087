import { NEVER, Observable, lastValueFrom, of, throwError } from 'rxjs';
import type { WorkerConnection } from '@esparse/protocol';
import { activeSpan } from '@esparse/telemetry';
import { taskAttempt$ } from './task-attempt.ts';

const worker = { address: 'a' } as WorkerConnection;
const attempt = <T>(run$: (worker: WorkerConnection) => Observable<T>) =>
  taskAttempt$({ kind: 'calibrate', size: 1, ids: { shards: [0] }, run$ }, worker, 1, activeSpan());

test('an attempt gives the last value of its task, once that has completed', async () => {
  const seen: unknown[] = [];
  attempt(({ address }) => of('early', address)).subscribe({ next: (value) => seen.push(value) });
  expect(seen).toEqual(['a']);
  attempt(
    () =>
      new Observable((subscriber) => {
        subscriber.next('open');
      }),
  ).subscribe((value) => seen.push(value));
  expect(seen).toEqual(['a']);
  expect(await lastValueFrom(attempt(() => of(7)))).toBe(7);
});

test('a task without a result, and an error of any kind, are errors of esparse', async () => {
  await expect(lastValueFrom(attempt(() => of()))).rejects.toMatchObject({
    kind: 'internal',
    message: 'a calibrate task gave no result',
  });
  const broken = throwError(() => new Error('broken'));
  await expect(lastValueFrom(attempt(() => broken))).rejects.toMatchObject({
    kind: 'internal',
    message: 'broken',
  });
});

test('unsubscribing cancels the task', () => {
  const cancelled = jest.fn();
  const running = attempt(() => new Observable(() => cancelled)).subscribe();
  expect(cancelled).not.toHaveBeenCalled();
  running.unsubscribe();
  expect(cancelled).toHaveBeenCalledTimes(1);
  expect(attempt(() => NEVER).subscribe().closed).toBe(false);
});
