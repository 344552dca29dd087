import { monitorEventLoopDelay } from 'node:perf_hooks';

/** How long the event loop was held up. */
export interface EventLoopStall {
  /** The longest over the last whole window and the current one, in seconds. */
  recent(): { readonly max: number; readonly p99: number };
  /** The longest since the server was ready, in seconds. */
  longest(): number;
  /** Forgets the stalls so far: no client waits while the server starts. */
  ready(): void;
  stop(): void;
}

/** How often the monitor looks: a stall is measured with an error of at most this. */
const RESOLUTION_MS = 2;

const WINDOW_MS = 30_000;

/** Watches the event loop. Its windows end by the clock: reading changes nothing. */
export function watchEventLoop(): EventLoopStall {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  monitor.enable();
  let before = { max: 0, p99: 0 };
  let longest = 0;
  // What the monitor records is the time between two looks.
  const stall = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000);
  const now = () => ({ max: stall(monitor.max), p99: stall(monitor.percentile(99)) });
  const timer = setInterval(() => {
    before = now();
    longest = Math.max(longest, before.max);
    monitor.reset();
  }, WINDOW_MS);
  timer.unref();
  return {
    recent() {
      const current = now();
      return { max: Math.max(before.max, current.max), p99: Math.max(before.p99, current.p99) };
    },
    longest: () => Math.max(longest, now().max),
    ready() {
      monitor.reset();
      before = { max: 0, p99: 0 };
      longest = 0;
    },
    stop() {
      clearInterval(timer);
      monitor.disable();
    },
  };
}
