import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ESPARSE } from './repository.ts';

/** Standard output of a command at most: a line an event. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  /** @default this process's own */
  readonly env?: NodeJS.ProcessEnv;
  /** Ends the process with SIGTERM. */
  readonly signal?: AbortSignal;
  /** @default this process's own */
  readonly cwd?: string;
}

/** Runs `esparse` as a process, whatever its exit code. */
export function esparse(...args: string[]): Promise<Outcome> {
  return esparseProcess({}, ...args);
}

/** The same in another environment. */
export function esparseWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
  return esparseProcess({ env }, ...args);
}

/** The same, as the options say. */
export function esparseProcess(options: ProcessOptions, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [ESPARSE, ...args],
      // By name: in a test, `process.env` is a copy, and not what a child has by itself.
      { maxBuffer: MAX_OUTPUT_BYTES, env: process.env, ...options },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      },
    );
  });
}

/** Runs `esparse … --json`, which must succeed, and gives its last line. */
export function esparseJson(...args: string[]): Promise<Record<string, unknown>> {
  return esparseJsonWith({}, ...args);
}

/** The same, as the options say. */
export async function esparseJsonWith(
  options: ProcessOptions,
  ...args: string[]
): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await esparseProcess(options, ...args, '--json');
  if (code !== 0) throw new Error(`esparse ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
}

/** Runs `esparse`, which must succeed, and gives the lines that it prints; `on` is called with each as it comes. */
export async function esparseWatched(on: (line: string) => void, ...args: string[]): Promise<string[]> {
  const child = spawn(process.execPath, [ESPARSE, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: process.env,
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    on(line);
  }
  const [code] = (await exited) as [number | null];
  if (code !== 0)
    throw new Error(`esparse ${args.join(' ')} ended with ${code}: ${lines.slice(-5).join('\n')}`);
  return lines;
}

/** Starts `esparse`, and gives the process when a line of its output satisfies `until`. */
export async function esparseUntil(
  until: (line: string) => boolean,
  ...args: string[]
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [ESPARSE, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: process.env,
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      if (until(line)) child.emit('reached');
    });
  }
  await Promise.race([
    once(child, 'reached'),
    once(child, 'exit').then(([code, signal]) => {
      const end = `${String(code ?? signal)}: ${lines.slice(-5).join('\n')}`;
      throw new Error(`esparse ${args.join(' ')} ended before its output said so, with ${end}`);
    }),
  ]);
  return child;
}
