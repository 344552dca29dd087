import { fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { listenForLastWords } from './last-words.ts';
import type { IsolationOptions, Outcome } from './isolated-calls.ts';
import type { Begin, CallMessage, ProcessMessage } from './messages.ts';

/** A process, from its start to its end. */
export interface IsolatedProcess {
  /** Whether it listens. */
  readonly ready: boolean;
  send(message: CallMessage): void;
  kill(): void;
}

export interface ProcessEvents {
  onReady(): void;
  onOutcome(id: number, outcome: Outcome<unknown>): void;
  /** Once, for whatever reason. */
  onEnd(end: { readonly why: string; readonly signal: string | null }): void;
}

/** How long a process may take to listen; from a cold disk, on a busy machine. */
const START_MS = 60_000;

/** Starts a process for calls. It keeps this one alive until it is ready, and not any longer. */
export function startProcess(
  { script, setup, memoryBytes, heapBytes }: IsolationOptions,
  { onReady, onOutcome, onEnd }: ProcessEvents,
): IsolatedProcess {
  const child = fork(script, {
    execArgv: heapBytes === undefined ? [] : [`--max-old-space-size=${Math.ceil(heapBytes / 2 ** 20)}`],
    // Nothing of this process's environment concerns it.
    env: {},
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  let ready = false;
  let ended = false;
  const startTimer = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const whyEnded = listenForLastWords(child.stderr!);
  const end = (why: string, signal: string | null) => {
    clearTimeout(startTimer);
    if (ended) return;
    ended = true;
    onEnd({ why, signal });
  };
  child.on('message', (message: ProcessMessage) => {
    if ('ready' in message) {
      ready = true;
      clearTimeout(startTimer);
      onReady();
    } else if ('error' in message) onOutcome(message.id, { refusal: message.error });
    else onOutcome(message.id, { answer: message.answer });
  });
  // 'close' comes after the last of what it wrote, 'exit' may come before.
  child.once('close', (code, signal) => {
    end(whyEnded(code, signal), signal);
  });
  child.on('error', (error) => {
    if (child.pid === undefined) end(`does not start: ${error.message}`, null);
  });
  // Where something cannot be sent the process is ending, and `onEnd` comes.
  const send = (message: Begin | CallMessage) => child.send(message, () => undefined);
  send({ setup, memoryBytes });
  child.unref();
  child.channel?.unref();
  (child.stderr as Socket).unref();
  return {
    get ready() {
      return ready;
    },
    send,
    kill() {
      clearTimeout(startTimer);
      child.kill('SIGKILL');
    },
  };
}
