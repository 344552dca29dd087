import { defer, finalize, type MonoTypeOperatorFunction } from 'rxjs';

/** What a run spends its time on. Phases may overlap: writing a linear goes on while the next is scored. */
export type Phase = 'open' | 'calibrate' | 'prune' | 'commit' | 'advance';

/** Adds up the seconds of each phase. */
export interface Stopwatch {
  time<T>(phase: Phase, work: () => Promise<T>): Promise<T>;
  /** Times a stream from its subscription to its end. */
  measure<T>(phase: Phase): MonoTypeOperatorFunction<T>;
  seconds(): Readonly<Record<Phase, number>>;
}

export function createStopwatch(now: () => number = () => performance.now()): Stopwatch {
  const total: Record<Phase, number> = { open: 0, calibrate: 0, prune: 0, commit: 0, advance: 0 };
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
        return await work();
      } finally {
        stop();
      }
    },
    measure: (phase) => (source$) => defer(() => source$.pipe(finalize(start(phase)))),
    seconds: () => ({ ...total }),
  };
}
