import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

/** Options of a run that is over in a moment: what is killed is the writing, not the numbers. */
export const SMALL_RUN = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '2', '--seqlen', '32', '--shuffle', 'none', '--threads', '1', '--json'],
];

/** Which change ends a process: the first of a kind, or the n-th of all. See kill-at.mjs. */
export type KillAt = { readonly kind: string } | { readonly change: number };

export interface Chaos {
  readonly store: string;
  readonly kills?: { readonly prune?: KillAt; readonly worker?: KillAt };
  readonly log?: string;
}

/** How a process ended: its exit code, or the signal that ended it. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** A run that is going on. */
export interface Victim {
  readonly child: ChildProcess;
  /** Settles when the process and the worker that it started are gone. */
  readonly end: Promise<End>;
}

/** Starts `esparse prune` on a store, watched and perhaps killed at a change that it makes. */
export function startPrune(chaos: Chaos, ...args: readonly string[]): Victim {
  const preload = path.join(import.meta.dirname, 'kill-at.mjs');
  const child = spawn(
    process.execPath,
    ['--import', preload, ESPARSE, 'prune', ...SMALL_RUN, '--store', chaos.store, ...args],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ESPARSE_CHAOS: JSON.stringify(chaos) } },
  );
  let stderr = '';
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
  // The worker shares its parent's standard error: 'close' comes when both have let it go.
  const end = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stderr,
  }));
  return { child, end };
}

/** Runs until a run has finished, as a user would: the same command again. Gives the number of attempts. */
export async function pruneUntilDone(store: string, ...args: readonly string[]): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const { code, signal, stderr } = await startPrune({ store }, ...args).end;
    if (code === 0) return attempt;
    if (attempt === 3) throw new Error(`not finished after ${attempt} attempts: ${code ?? signal} ${stderr}`);
  }
}

/** The changes that a run made, a kind each, in order. */
export async function changesOf(log: string, command: 'prune' | 'worker'): Promise<string[]> {
  return (await readFile(`${log}.${command}`, 'utf8')).split('\n');
}
