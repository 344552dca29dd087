import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ESPARSE } from './repository.ts';

/** Standard output of `esparse … --json` at most: a line an event. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** Runs `esparse … --json` as a process and gives its last line. */
export async function esparseJson(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [ESPARSE, ...args, '--json'], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
}
