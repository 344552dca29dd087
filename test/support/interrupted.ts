import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { ESPARSE } from './repository.ts';

/** A command that a test interrupts. */
export interface Interruptible {
  readonly child: ChildProcess;
  /** Its exit code and its standard error, once it and all that it has started have ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
  /** Ctrl-C: the terminal signals every process of the group. */
  interrupt(): void;
}

/** Starts `esparse` in a process group of its own, as a shell does. */
export function startInterruptible(...args: string[]): Interruptible {
  const child = spawn(process.execPath, [ESPARSE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: process.env,
    detached: true,
  });
  child.stdout.resume();
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, said }));
  return { child, ended, interrupt: () => process.kill(-child.pid!, 'SIGINT') };
}
