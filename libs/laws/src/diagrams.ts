import type { ObservableNotification } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

/** Values by their letters; where none are given, letters stand for themselves. */
export type MarbleValues<T = unknown> = Readonly<Record<string, T>>;

export interface MarbleEvent {
  readonly frame: number;
  readonly notification: ObservableNotification<unknown>;
}

/** From when to when a subscription lasted; to infinity where it was never ended. */
export interface Span {
  readonly from: number;
  to: number;
}

/** RxJS counts so many units of time a character. */
const UNITS = 10;

/** The events of a diagram, a character a frame. */
export function parse(diagram: string, values?: MarbleValues, error?: unknown): MarbleEvent[] {
  return TestScheduler.parseMarbles(diagram, values, error, undefined, true).map(
    ({ frame, notification }) => ({
      frame: frame / UNITS,
      notification: plain(notification),
    }),
  );
}

/** The frames of `^` and `!` in a diagram. */
export function spanOf(diagram: string): Span {
  const { subscribedFrame, unsubscribedFrame } = TestScheduler.parseMarblesAsSubscriptions(diagram, true);
  const frame = (time: number) => time / UNITS;
  return { from: frame(subscribedFrame), to: frame(unsubscribedFrame) };
}

/** Without the empty fields that RxJS gives its notifications. */
function plain(notification: ObservableNotification<unknown>): ObservableNotification<unknown> {
  if (notification.kind === 'N') return { kind: 'N', value: notification.value };
  return notification.kind === 'E' ? { kind: 'E', error: notification.error as unknown } : { kind: 'C' };
}
