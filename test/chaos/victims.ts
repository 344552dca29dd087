import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startWorkerProcess } from '../support/workers.ts';

/** Options of a run that is over in a moment: what is killed is the writing, not the numbers. */
export const SMALL_RUN = [
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '2', '--seqlen', '32', '--shuffle', 'none', '--threads', '1', '--json'],
];

/** Which change ends a process: the first of a kind, or the n-th of all. See kill-at.mjs. */
export type KillAt = { readonly kind: string } | { readonly change: number };

export interface Chaos {
  readonly store: string;
  /** By command. */
  readonly kills?: { readonly prune?: KillAt; readonly worker?: KillAt; readonly gc?: KillAt };
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
  /** Settles when the process and the worker that it started have ended. */
  readonly end: Promise<End>;
}

/** Starts `esparse prune` on a store, watched and perhaps killed at a change that it makes. */
export function startPrune(chaos: Chaos, ...args: readonly string[]): Victim {
  return start(chaos, 'prune', ...SMALL_RUN, '--store', chaos.store, ...args);
}

/** The same of `esparse gc`. */
export function startGc(chaos: Chaos, ...args: readonly string[]): Victim {
  return start(chaos, 'gc', '--store', chaos.store, ...args);
}

function start(chaos: Chaos, ...args: readonly string[]): Victim {
  const script = chaos.store.startsWith('s3://') ? 'kill-at-request.mjs' : 'kill-at.mjs';
  const preload = path.join(import.meta.dirname, script);
  const child = spawn(process.execPath, ['--import', preload, ESPARSE, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ESPARSE_CHAOS: JSON.stringify(chaos) },
  });
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

/** The kinds of change to be killed at: all by `npm run test:chaos`, every fourth by `npm run test:all`. */
export function chosen(kinds: readonly string[]): readonly string[] {
  return process.env.ESPARSE_CHAOS_KILLS === undefined ? kinds.filter((_, i) => i % 4 === 0) : kinds;
}

/** Stores to be killed on, and what must be true of each once it has finished. */
export interface KillEach {
  readonly place: (n: number) => string;
  readonly check: (store: string) => Promise<void>;
}

/**
 * Runs the same command again and again on one store, each time killed at another place, until the places are used up or
 * the run has finished; then on the next store.
 */
export async function killAtEach(
  { place, check }: KillEach,
  kills: readonly NonNullable<Chaos['kills']>[],
  ...args: readonly string[]
): Promise<void> {
  const left = [...kills];
  for (let stores = 0; left.length > 0; stores++) {
    const store = place(stores);
    let finished = false;
    for (let fresh = true; left.length > 0; fresh = false) {
      const { code, signal, stderr } = await startPrune({ store, kills: left[0]! }, ...args).end;
      finished = code === 0;
      // A place that this store had behind it already is tried on the next one.
      if (!finished || fresh) left.shift();
      if (finished) break;
      if (signal !== 'SIGKILL' && code !== 75) throw new Error(`ended with ${code}: ${stderr}`);
    }
    if (!finished) await pruneUntilDone(store, ...args);
    await check(store);
  }
}

/** Starts a worker that outlives the pruners that are killed: one start instead of one each. */
export async function startWorker(...roots: string[]): Promise<{ address: string; stop(): Promise<void> }> {
  const options = roots.flatMap((root) => ['--root', root]);
  const worker = await startWorkerProcess('--threads', '1', ...options);
  return {
    address: worker.address,
    async stop() {
      await worker.end('SIGTERM');
    },
  };
}
