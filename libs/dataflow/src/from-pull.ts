import { Observable } from 'rxjs';
import type { Leased } from './leased.ts';

/** How values are pulled and released. */
export interface FromPullOptions<T> {
  /**
   * How many values may be with consumers at once. The source is not asked for another before one is released.
   * More than 2 only adds memory unless consumers work on several values at once.
   *
   * @default 2
   */
  readonly inFlight?: number;
  /** Called once with each value that is released: it is used no more. */
  readonly dispose?: (value: T) => void;
}

/**
 * The bridge from a pulled source to RxJS, which has no backpressure of its own: emits each value as a lease and
 * pulls the next only while fewer than `inFlight` leases are out. Whatever operators do between here and
 * `release`, no more than `inFlight` values are ever held.
 *
 * Each subscription opens the source anew. Unsubscribing aborts the signal and ends the iteration; an error of the
 * source is the observable's error.
 */
export function fromPull<T>(
  open: (signal: AbortSignal) => AsyncIterable<T>,
  { inFlight = 2, dispose }: FromPullOptions<T> = {},
): Observable<Leased<T>> {
  return new Observable((subscriber) => {
    const controller = new AbortController();
    let out = 0;
    let wake: () => void = () => undefined;

    const lease = (value: T): Leased<T> => {
      let held = true;
      out++;
      return {
        value,
        release() {
          if (!held) return;
          held = false;
          out--;
          dispose?.(value);
          wake();
        },
      };
    };
    const hasRoom = async () => {
      while (out >= inFlight && !subscriber.closed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return !subscriber.closed;
    };
    const pump = async () => {
      for await (const value of open(controller.signal)) {
        if (subscriber.closed) return;
        subscriber.next(lease(value));
        if (!(await hasRoom())) return;
      }
      subscriber.complete();
    };

    pump().catch((error: unknown) => {
      subscriber.error(error);
    });
    return () => {
      controller.abort();
      wake();
    };
  });
}
