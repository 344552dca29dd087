import { firstValueFrom, take, type Subscription } from 'rxjs';
import { fromPull } from './from-pull.ts';
import type { Leased } from './leased.ts';

/** Waits until everything that is ready has run. */
const settle = () => new Promise(setImmediate);

function counter(until = Infinity) {
  const state = { pulled: 0, ended: false, signal: undefined as AbortSignal | undefined };
  const open = async function* (signal: AbortSignal) {
    state.signal = signal;
    try {
      while (state.pulled < until) yield await Promise.resolve(state.pulled++);
    } finally {
      state.ended = true;
    }
  };
  return { state, open };
}

test.each([1, 2, 5])('never more than %d leases are out, whatever the source has', async (inFlight) => {
  const { state, open } = counter();
  const held: Leased<number>[] = [];
  const subscription = fromPull(open, { inFlight }).subscribe((lease) => held.push(lease));
  await settle();
  expect(held).toHaveLength(inFlight);
  expect(state.pulled).toBe(inFlight);
  held[0]!.release();
  held[0]!.release(); // a second release is no second credit
  await settle();
  expect(held).toHaveLength(inFlight + 1);
  subscription.unsubscribe();
});

test('values that are released come through in order, and the stream completes with the source', async () => {
  const values: number[] = [];
  const collected = fromPull(counter(100).open, { inFlight: 1 });
  await new Promise<void>((resolve, reject) => {
    collected.subscribe({
      next: ({ value, release }) => {
        values.push(value);
        setImmediate(release);
      },
      complete: resolve,
      error: reject,
    });
  });
  expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test('unsubscribing aborts the signal and ends the iteration, also while it waits for a release', async () => {
  const { state, open } = counter();
  const subscription: Subscription = fromPull(open).subscribe();
  await settle();
  expect(state.ended).toBe(false);
  subscription.unsubscribe();
  await settle();
  expect(state.signal?.aborted).toBe(true);
  expect(state.ended).toBe(true);
});

test('a consumer that takes what it needs ends the source', async () => {
  const { state, open } = counter();
  const lease = await firstValueFrom(fromPull(open).pipe(take(1)));
  await settle();
  expect(lease.value).toBe(0);
  expect(state.ended).toBe(true);
});

test("the source's error is the stream's error, after the values before it", async () => {
  const seen: number[] = [];
  const failing = async function* () {
    yield await Promise.resolve(1);
    throw new Error('broken');
  };
  await expect(
    new Promise((_, reject) => {
      fromPull(failing).subscribe({ next: ({ value }) => seen.push(value), error: reject });
    }),
  ).rejects.toThrow('broken');
  expect(seen).toEqual([1]);
});

test('each subscription opens the source anew', async () => {
  const open = jest.fn(async function* () {
    yield await Promise.resolve('a');
  });
  const leases$ = fromPull(open);
  await firstValueFrom(leases$);
  await firstValueFrom(leases$);
  expect(open).toHaveBeenCalledTimes(2);
});

test('a value is disposed of once, when it is released', async () => {
  const disposed: number[] = [];
  const { open } = counter(1);
  const { value, release } = await firstValueFrom(
    fromPull(open, { dispose: (given) => disposed.push(given) }),
  );
  expect(disposed).toEqual([]);
  release();
  release();
  expect(disposed).toEqual([value]);
});
