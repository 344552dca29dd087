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
  /** The phases that were timed since this was called last, in the order in which they began. */
  takeLaps(): Lap[];
}

/** A phase that was timed, once or several times. */
export interface Lap {
  readonly phase: Phase;
  /** When it was begun first, and when it ended last, in milliseconds of the clock. */
  readonly begun: number;
  readonly ended: number;
  /** What it took of that. */
  readonly seconds: number;
}

export function createStopwatch(now: () => number = () => performance.now()): Stopwatch {
  const total: Record<Phase, number> = { open: 0, calibrate: 0, prune: 0, tune: 0, commit: 0, advance: 0 };
  let laps = new Map<Phase, Lap>();
  const start = (phase: Phase) => {
    const started = now();
    return () => {
      const ended = now();
      const seconds = (ended - started) / 1000;
      total[phase] += seconds;
      const lap = laps.get(phase) ?? { phase, begun: started, ended, seconds: 0 };
      const begun = Math.min(started, lap.begun);
      laps.set(phase, { phase, begun, ended, seconds: lap.seconds + seconds });
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
    takeLaps() {
      const taken = [...laps.values()].sort((a, b) => a.begun - b.begun);
      laps = new Map();
      return taken;
    },
  };
}
