import { Observable, Subject, type ObservableNotification, type Subscription } from 'rxjs';
import { compare } from './compare.ts';
import { parse, spanOf, type MarbleEvent, type MarbleValues, type Span } from './diagrams.ts';
import { createClock } from './virtual-clock.ts';

/** What a test with marbles is written with; the diagrams are those of RxJS, a character a frame. */
export interface Marbles {
  /** A source that begins anew with each subscription. */
  cold<T = string>(marbles: string, values?: MarbleValues<T>, error?: unknown): Watched<T>;
  /** A source that runs from the start, whether or not it has subscribers. */
  hot<T = string>(marbles: string, values?: MarbleValues<T>, error?: unknown): Watched<T>;
  /** A promise that settles when its one value, or its error, comes: what a project function returns. */
  promise<T = string>(marbles: string, values?: MarbleValues<T>, error?: unknown): Promise<T>;
  /** Subscribes at the start, or at `^`, and leaves at `!`. Compares when all is over. */
  expectObservable(
    source$: Observable<unknown>,
    subscription?: string,
  ): { toBe(marbles: string, values?: MarbleValues, error?: unknown): void };
  /** From when to when a source was subscribed to, a diagram for each subscription. */
  expectSubscriptions(subscriptions: readonly Span[]): { toBe(...diagrams: string[]): void };
}

/** A source that records its subscriptions. */
export type Watched<T> = Observable<T> & { readonly subscriptions: readonly Span[] };

/**
 * Runs a test in virtual time where operators may await promises between their observables, which RxJS's own
 * `TestScheduler` cannot: within each frame, everything that is ready settles before time goes on. What takes real
 * time (a timer, a file, a native kernel) is not waited for.
 *
 * @example
 * await marbles(({ hot, promise, expectObservable }) => {
 *   const double = (letter: string) => promise('--(x|)', { x: letter + letter });
 *   expectObservable(hot('ab|').pipe(concatMap(double))).toBe('--x-(y|)', { x: 'aa', y: 'bb' });
 * });
 *
 * @returns what the test returns, once all frames have run
 * @throws Error with both sides, event by event, where something else happened than was expected
 */
export async function marbles<T>(test: (helpers: Marbles) => T): Promise<T> {
  const clock = createClock();
  const starts: (() => void)[] = [];
  const checks: (() => void)[] = [];

  const watched = <T>(
    subscribe: (emit: (event: MarbleEvent) => void) => Subscription | undefined,
  ): Watched<T> => {
    const subscriptions: Span[] = [];
    const source$ = new Observable<T>((subscriber) => {
      const span: Span = { from: clock.now(), to: Infinity };
      subscriptions.push(span);
      const inner = subscribe(({ notification }) => {
        if (notification.kind === 'N') subscriber.next(notification.value as T);
        else if (notification.kind === 'E') subscriber.error(notification.error);
        else subscriber.complete();
      });
      return () => {
        span.to = clock.now();
        inner?.unsubscribe();
      };
    });
    return Object.assign(source$, { subscriptions });
  };

  const result = test({
    cold: (diagram, values, error) =>
      watched((emit) => {
        const begun = clock.now();
        for (const event of parse(diagram, values, error)) {
          clock.at(begun + event.frame, () => {
            emit(event);
          });
        }
        return undefined;
      }),
    hot: (diagram, values, error) => {
      const events = new Subject<MarbleEvent>();
      // Once those who subscribe at the start have done so.
      starts.push(() => {
        for (const event of parse(diagram, values, error)) {
          clock.at(event.frame, () => {
            events.next(event);
          });
        }
      });
      return watched((emit) => events.subscribe(emit));
    },
    promise: (diagram, values, error) => {
      const promised = new Promise<never>((resolve, reject) => {
        const begun = clock.now();
        for (const { frame, notification } of parse(diagram, values, error)) {
          clock.at(begun + frame, () => {
            if (notification.kind === 'N') resolve(notification.value as never);
            else if (notification.kind === 'E') reject(notification.error as Error);
          });
        }
      });
      // Those who await it get the error; without them, it is not an unhandled rejection.
      promised.catch(() => undefined);
      return promised;
    },
    expectObservable: (source$, subscription = '^') => {
      const seen: MarbleEvent[] = [];
      const { from, to } = spanOf(subscription);
      let inner: Subscription | undefined;
      const note = (notification: ObservableNotification<unknown>) =>
        seen.push({ frame: clock.now(), notification });
      clock.at(from, () => {
        inner = source$.subscribe({
          next: (value) => note({ kind: 'N', value }),
          error: (error: unknown) => note({ kind: 'E', error }),
          complete: () => note({ kind: 'C' }),
        });
      });
      if (Number.isFinite(to)) clock.at(to, () => inner?.unsubscribe());
      return {
        toBe(diagram, values, error) {
          checks.push(() => {
            compare('notifications', seen, parse(diagram, values, error));
          });
        },
      };
    },
    expectSubscriptions: (subscriptions) => ({
      toBe(...diagrams) {
        checks.push(() => {
          compare('subscriptions', subscriptions, diagrams.map(spanOf));
        });
      },
    }),
  });
  for (const start of starts) start();
  await clock.run();
  for (const check of checks) check();
  return result;
}
