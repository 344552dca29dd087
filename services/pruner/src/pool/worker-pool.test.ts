import {
  NEVER,
  Observable,
  concat,
  defer,
  from,
  mergeMap,
  of,
  throwError,
  timer,
  ignoreElements,
  interval,
  take,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { EsparseError, type ErrorKind } from '@esparse/errors';
import type { WorkerConnection } from '@esparse/protocol';
import type { Task } from './task.ts';
import { createWorkerPool, type PoolOptions } from './worker-pool.ts';

/** A connection whose workers come and go as a test says. */
function connection(address: string, ready = 1) {
  let changed: () => void = () => undefined;
  const state = { ready, calls: 0 };
  return {
    address,
    get ready() {
      return state.ready;
    },
    wireBytes: 0,
    watch(listener: () => void) {
      changed = listener;
    },
    become(workers: number) {
      state.ready = workers;
      changed();
    },
    close: jest.fn(),
  } as unknown as WorkerConnection & { become(workers: number): void };
}

/** Virtual time; whatever a pause is drawn as, it is its middle. */
function run(test: (scheduler: TestScheduler) => void): void {
  const random = jest.spyOn(Math, 'random').mockReturnValue(0.5);
  const scheduler = new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  });
  try {
    scheduler.run(() => {
      test(scheduler);
      scheduler.flush();
    });
  } finally {
    random.mockRestore();
  }
}

const after = <T>(ms: number, end: Observable<T>) => concat(timer(ms).pipe(ignoreElements()), end);
const failing = (kind: ErrorKind) => throwError(() => new EsparseError(kind, `it is ${kind}`));

/** A task of so many milliseconds, which calls back when an attempt begins and when it ends. */
const lasting = <T>(ms: number, begin: () => void, end: () => T): Task<T> => ({
  kind: 'k',
  size: 1,
  ids: { shards: [] },
  run$: () =>
    defer(() => {
      begin();
      return after(
        ms,
        defer(() => of(end())),
      );
    }),
});

/** A pool, and what happens to tasks in it: (time, event). */
function record(scheduler: TestScheduler, workers: readonly WorkerConnection[], options?: PoolOptions) {
  const pool = createWorkerPool(workers, options);
  const events: string[] = [];
  const record = (event: string) => events.push(`${scheduler.now()} ${event}`);
  const watched = (name: string, attempt: Task<string>['run$']): Task<string> => ({
    kind: 'k',
    size: 1,
    ids: { shards: [] },
    run$: (worker) =>
      new Observable((subscriber) => {
        let ended = false;
        record(`${name} at ${worker.address}`);
        const inner = attempt(worker).subscribe({
          next: (value) => {
            subscriber.next(value);
          },
          error: (error) => {
            ended = true;
            subscriber.error(error);
          },
          complete: () => {
            ended = true;
            subscriber.complete();
          },
        });
        return () => {
          inner.unsubscribe();
          if (!ended) record(`${name} cancelled at ${worker.address}`);
        };
      }),
  });
  const submit = (name: string, attempt: Task<string>['run$']) =>
    pool.run$(watched(name, attempt)).subscribe({
      next: (value) => record(`${name} = ${value}`),
      error: (error: Error) => record(`${name} fails: ${error.message}`),
    });
  return { pool, events, submit };
}

test('no more attempts are under way than workers are connected, and a worker that joins has work at once', () => {
  run((scheduler) => {
    const [a, b] = [connection('a'), connection('b', 0)];
    const { pool, events } = record(scheduler, [a, b]);
    let most = 0;
    let busy = 0;
    from([...Array(8).keys()])
      .pipe(
        mergeMap(() =>
          pool.run$(
            lasting(
              10,
              () => {
                most = Math.max(most, ++busy);
                expect(busy).toBeLessThanOrEqual(pool.ready);
              },
              () => busy--,
            ),
          ),
        ),
      )
      .subscribe({ complete: () => events.push(`${scheduler.now()} done`) });
    timer(25).subscribe(() => {
      expect(most).toBe(1);
      b.become(2);
    });
    scheduler.flush();
    expect(most).toBe(3);
    expect(events).toEqual(['45 done']);
  });
});

test.each([
  ['two workers', 2, undefined, 3],
  ['one attempt at a time', 5, 1, 2],
])(
  'of %s, attempts and results that wait are one more at most, and go on as these are released',
  (_what, ready, inFlight, bound) => {
    run((scheduler) => {
      const { pool } = record(scheduler, [connection('a', ready)], { inFlight });
      const results: (() => void)[] = [];
      let [busy, most, used] = [0, 0, 0];
      const count = () => (most = Math.max(most, busy + results.length));
      from([...Array(6).keys()])
        .pipe(
          mergeMap(() =>
            pool.run$(
              lasting(
                1,
                () => {
                  busy++;
                  count();
                },
                () => busy--,
              ),
            ),
          ),
        )
        .subscribe(() => {
          results.push(pool.hold());
          count();
        });
      // Results are used up slowly, and released twice: once counts.
      interval(100)
        .pipe(take(10))
        .subscribe(() => {
          const give = results.shift();
          give?.();
          give?.();
          used += Number(give !== undefined);
        });
      scheduler.flush();
      expect([most, used]).toEqual([bound, 6]);
    });
  },
);

test('--in-flight bounds the attempts whatever is connected', () => {
  run((scheduler) => {
    const { events, submit } = record(scheduler, [connection('a', 9)], { inFlight: 1 });
    for (const name of ['x', 'y']) submit(name, () => after(5, of('ok')));
    scheduler.flush();
    expect(events).toEqual(['0 x at a', '5 y at a', '5 x = ok', '10 y = ok'].sort(byTime));
  });
});

/** Within one instant, order does not matter here. */
const byTime = (one: string, other: string) => parseInt(one) - parseInt(other) || (one < other ? -1 : 1);

test.each<ErrorKind>(['unavailable', 'internal', 'cancelled'])(
  'a task that fails as %s is tried again elsewhere after a pause, and counts once',
  (kind) => {
    run((scheduler) => {
      const { events, submit } = record(scheduler, [connection('a'), connection('b')]);
      submit('x', ({ address }) => (address === 'a' ? after(3, failing(kind)) : of('ok')));
      scheduler.flush();
      expect(events).toEqual(['0 x at a', '403 x at b', '403 x = ok']);
    });
  },
);

test.each<ErrorKind>(['denied', 'protocol', 'store', 'usage', 'numeric', 'space'])(
  'what is %s stays so: it is not tried again',
  (kind) => {
    run((scheduler) => {
      const { events, submit } = record(scheduler, [connection('a'), connection('b')]);
      submit('x', () => failing(kind));
      scheduler.flush();
      expect(events).toEqual(['0 x at a', `0 x fails: it is ${kind}`]);
    });
  },
);

test('attempts are capped, with growing pauses', () => {
  run((scheduler) => {
    const { events, submit } = record(scheduler, [connection('a')]);
    submit('x', () => failing('unavailable'));
    scheduler.flush();
    const times = ['0', '400', '1200', '2800', '6000'];
    expect(events).toEqual([
      ...times.map((time) => `${time} x at a`),
      '6000 x fails: a k task failed 5 times, the last time: it is unavailable',
    ]);
  });
});

test('refusals of busy workers are no failures, but not waited out for ever', () => {
  run((scheduler) => {
    const { events, submit } = record(scheduler, [connection('a')], { waitMs: 3000 });
    submit('x', () => (scheduler.now() < 2000 ? failing('busy') : of('ok')));
    scheduler.flush();
    expect(events.at(-1)).toBe('2000 x = ok');
    submit('y', () => failing('busy'));
    scheduler.flush();
    expect(events.at(-1)).toBe('5000 y fails: it is busy');
  });
});

test('an overdue task is issued a second time elsewhere; the first to finish wins, the other is cancelled', () => {
  run((scheduler) => {
    const [a, b] = [connection('a'), connection('b', 0)];
    const { events, submit } = record(scheduler, [a, b]);
    for (const name of ['1', '2', '3']) submit(name, () => after(5000, of('ok')));
    scheduler.flush();
    events.length = 0;
    // Four times the median is 20 s; it begins at 15 s, and another worker joins much later.
    submit('slow', ({ address }) => (address === 'a' ? NEVER : after(1000, of('ok'))));
    timer(25_000).subscribe(() => {
      b.become(1);
    });
    scheduler.flush();
    expect(events.slice(0, 2)).toEqual(['15000 slow at a', '40000 slow at b']);
    expect(events.slice(2).sort()).toEqual(['41000 slow = ok', '41000 slow cancelled at a']);
  });
});

test('of two attempts, one that fails leaves the other to finish', () => {
  run((scheduler) => {
    const { events, submit } = record(scheduler, [connection('a'), connection('b')]);
    for (const name of ['1', '2', '3']) submit(name, () => after(1000, of('ok')));
    scheduler.flush();
    events.length = 0;
    let tries = 0;
    submit('slow', () => (++tries === 1 ? after(60_000, of('late')) : failing('unavailable')));
    scheduler.flush();
    expect(events.filter((event) => event.includes('='))).toEqual(['62000 slow = late']);
    expect(events.every((event) => !event.includes('fails'))).toBe(true);
  });
});

test('where no worker is left tasks wait for one, and fail after a while naming the targets', () => {
  run((scheduler) => {
    const [a, b] = [connection('a:1'), connection('dns:///b', 0)];
    const { events, submit } = record(scheduler, [a, b], { waitMs: 60_000 });
    submit('x', ({ address }) => (address === 'a:1' ? after(10, failing('unavailable')) : of('ok')));
    timer(5).subscribe(() => {
      a.become(0);
    });
    timer(30_000).subscribe(() => {
      b.become(1);
    });
    scheduler.flush();
    expect(events).toEqual(['0 x at a:1', '30000 x at dns:///b', '30000 x = ok']);
    b.become(0);
    submit('y', () => of('never'));
    scheduler.flush();
    expect(events.at(-1)).toBe('90000 y fails: no worker could be reached for 60 s at a:1, dns:///b');
  });
});

test('a subscriber that leaves cancels all attempts of its task, and makes room', () => {
  run((scheduler) => {
    const { events, submit } = record(scheduler, [connection('a')]);
    const left = submit('x', () => NEVER);
    submit('y', () => of('ok'));
    timer(7).subscribe(() => {
      left.unsubscribe();
    });
    scheduler.flush();
    expect(events).toEqual(['0 x at a', '7 x cancelled at a', '7 y at a', '7 y = ok']);
  });
});
