import { Observable, finalize, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { activeSpan, beginSpan, trace, type SpanAttributes } from '@esparse/telemetry';

/**
 * What a run spends its time on: block stages are 'tune'. Phases may overlap: writing a linear goes on while the next is
 * scored.
 */
export type Phase = 'open' | 'calibrate' | 'prune' | 'tune' | 'commit' | 'advance';

/** Adds up the seconds of each phase; each time is a span of its name. */
export interface Stopwatch {
  time<T>(phase: Phase, work: () => Promise<T>): Promise<T>;
  /** Times a stream from its subscription to its end. */
  measure<T>(phase: Phase, attributes?: SpanAttributes): MonoTypeOperatorFunction<T>;
  seconds(): Readonly<Record<Phase, number>>;
}

export function createStopwatch(now: () => number = () => performance.now()): Stopwatch {
  const total: Record<Phase, number> = { open: 0, calibrate: 0, prune: 0, tune: 0, commit: 0, advance: 0 };
  const start = (phase: Phase) => {
    const started = now();
    return () => {
      total[phase] += (now() - started) / 1000;
    };
  };
  return {
    async time(phase, work) {
      const stop = start(phase);
      try {
        return await trace(phase, {}, work);
      } finally {
        stop();
      }
    },
    measure:
      <T>(phase: Phase, attributes?: SpanAttributes) =>
      (source$: Observable<T>) =>
        new Observable<T>((subscriber) => {
          const stop = start(phase);
          const around = activeSpan();
          const span = beginSpan(phase, attributes);
          const watched$ = source$.pipe(
            tap({ error: span.end }),
            finalize(() => {
              stop();
              span.end();
            }),
          );
          // What the subscriber does with a value is no part of this phase: it runs in the span that was active before.
          const watcher = {
            next(value: T) {
              around.within(() => {
                subscriber.next(value);
              });
            },
            error(error: unknown) {
              subscriber.error(error);
            },
            complete() {
              around.within(() => {
                subscriber.complete();
              });
            },
          };
          return span.within(() => watched$.subscribe(watcher));
        }),
    seconds: () => ({ ...total }),
  };
}
