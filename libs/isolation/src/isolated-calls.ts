import { EsparseError, isEsparseError, RequestError } from '@esparse/errors';
import { startProcess, type IsolatedProcess } from './isolated-process.ts';

export interface IsolationOptions {
  /** The built script of the process, which calls `answerCalls`. */
  readonly script: URL;
  /** Given to each process before its first call. @default undefined */
  readonly setup?: unknown;
  /** Calls that the process works on at once. @default 1 */
  readonly atOnce?: number | undefined;
  /**
   * Small calls wait in the process for their turn, not here, where each would also wait for the one before to come back: as
   * long as all that it has take less `extraBytes` than this. @default 0
   */
  readonly smallBytes?: number | undefined;
  /** Memory that the process may take at any time, native memory included. */
  readonly memoryBytes: number;
  /** Of which so much by JavaScript. @default Node's */
  readonly heapBytes?: number | undefined;
}

export interface CallOptions {
  /** Time of the call, from when the process has it. */
  readonly timeMs: number;
  /** Memory that this call may take beyond `memoryBytes`. @default 0 */
  readonly extraBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer, or why there is none: the call was at fault. */
export type Outcome<Answer> = { readonly answer: Answer } | { readonly refusal: string };

/** Calls to a process that they may take down. */
export interface IsolatedCalls<Call, Answer> {
  /**
   * @throws EsparseError 'cancelled', or the reason of the signal; 'unavailable' where the process cannot even be
   *   started, and after `close`
   */
  call(call: Call, options: CallOptions): Promise<Outcome<Answer>>;
  /** Ends the process; calls without an answer fail. */
  close(): void;
}

/** A call without an answer so far. */
interface Pending {
  readonly id: number;
  readonly call: unknown;
  readonly options: CallOptions;
  /** Whether the process has it. */
  sent: boolean;
  /** It was in a process that ended, as others were: next time it is given to one alone. */
  suspect: boolean;
  /** Nobody waits for it any more; while the process works on it, its time is still limited. */
  abandoned: boolean;
  timer?: NodeJS.Timeout;
  finish(outcome: Outcome<unknown> | Error): void;
}

/** Signals by which a terminal or a supervisor ends a process: no call is at fault. */
const SIGNALS_FROM_OUTSIDE: readonly (string | null)[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Makes calls in a process of their own, started by the first one. A call that takes too long, or whose process ends
 * (a crash, too much memory), is refused; the others that the process had are made again in a new one, each alone
 * where it is not known which of them was at fault. So a bad call never fails its neighbours, and nothing that happens
 * in the process reaches this one.
 */
export function isolateCalls<Call, Answer>(options: IsolationOptions): IsolatedCalls<Call, Answer> {
  const { atOnce = 1, smallBytes = 0 } = options;
  /** In the order in which they came. */
  const pending = new Map<number, Pending>();
  let running: IsolatedProcess | undefined;
  let nextId = 0;
  let closed = false;

  const settle = (call: Pending, outcome: Outcome<unknown> | Error) => {
    clearTimeout(call.timer);
    pending.delete(call.id);
    call.finish(outcome);
  };

  const abandon = (call: Pending, error: Error) => {
    if (!call.sent) {
      settle(call, error);
      return;
    }
    call.abandoned = true;
    call.timer?.unref();
    call.finish(error);
  };

  const sent = () => [...pending.values()].filter((call) => call.sent);

  const sendMore = () => {
    const underWay = sent();
    if (underWay.some(({ suspect }) => suspect)) return;
    let count = underWay.length;
    let bytes = underWay.reduce((sum, { options: { extraBytes = 0 } }) => sum + extraBytes, 0);
    for (const call of pending.values()) {
      if (call.sent) continue;
      const { extraBytes = 0 } = call.options;
      bytes += extraBytes;
      if (call.suspect ? count > 0 : count >= atOnce && bytes >= smallBytes) return;
      running ??= start();
      running.send({ id: call.id, call: call.call, extraBytes });
      call.sent = true;
      if (running.ready) startTimer(call);
      if (call.suspect) return;
      count++;
    }
  };

  const startTimer = (call: Pending) => {
    const { timeMs } = call.options;
    call.timer = setTimeout(() => {
      settle(call, { refusal: `takes longer than ${timeMs / 1000} s` });
      running?.kill();
      beginAgain(false);
    }, timeMs);
    if (call.abandoned) call.timer.unref();
  };

  /** The process has ended or will: what it had is given to another. */
  const beginAgain = (suspect: boolean) => {
    running = undefined;
    for (const call of sent()) {
      clearTimeout(call.timer);
      call.sent = false;
      call.suspect ||= suspect;
      if (call.abandoned) pending.delete(call.id);
    }
    sendMore();
  };

  const start = (): IsolatedProcess => {
    const started = startProcess(options, {
      onReady: () => {
        if (started === running) sent().forEach(startTimer);
      },
      onOutcome: (id, outcome) => {
        const call = pending.get(id);
        if (call !== undefined) settle(call, outcome);
        sendMore();
      },
      onEnd: ({ why, signal }) => {
        if (started !== running) return;
        const had = sent();
        if (SIGNALS_FROM_OUTSIDE.includes(signal)) beginAgain(false);
        else if (!started.ready) {
          running = undefined;
          const error = new RequestError('unavailable', `a process cannot be started: it ${why}`);
          for (const call of pending.values()) settle(call, error);
        } else {
          if (had.length === 1) settle(had[0]!, { refusal: why });
          beginAgain(true);
        }
      },
    });
    return started;
  };

  return {
    call(call, callOptions) {
      const { signal } = callOptions;
      return new Promise((resolve, reject) => {
        if (closed) {
          reject(stopping());
          return;
        }
        if (signal?.aborted === true) {
          reject(cancelled(signal));
          return;
        }
        const onAbort = () => {
          abandon(added, cancelled(signal!));
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        const added: Pending = {
          id: nextId++,
          call,
          options: callOptions,
          sent: false,
          suspect: false,
          abandoned: false,
          finish(outcome) {
            signal?.removeEventListener('abort', onAbort);
            if (outcome instanceof Error) reject(outcome);
            else resolve(outcome as Outcome<Answer>);
          },
        };
        pending.set(added.id, added);
        sendMore();
      });
    },
    close() {
      closed = true;
      running?.kill();
      running = undefined;
      for (const call of pending.values()) settle(call, stopping());
    },
  };
}

function stopping(): Error {
  return new RequestError('unavailable', 'what would answer is being stopped');
}

function cancelled({ reason }: AbortSignal): Error {
  return isEsparseError(reason) ? reason : new EsparseError('cancelled', 'cancelled', { cause: reason });
}
