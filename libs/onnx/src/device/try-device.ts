import { fork } from 'node:child_process';
import { once } from 'node:events';
import { EsparseError } from '@esparse/errors';
import { builtScript } from '@esparse/isolation';
import type { DeviceName } from './device-name.ts';
import { CPU, noDevice } from './device.ts';

/** What the process that tries a device says of it. */
export type TriedDevice =
  { readonly arithmetic: string } | { readonly message: string; readonly hint: string | undefined };

const SCRIPT = builtScript(import.meta.url, 'device-process');

/** The driver of a GPU compiles the probe's shaders; from a cold disk, on a busy machine. */
const TRY_MS = 120_000;

/**
 * Opens a device in a process of its own, and names its arithmetic. What a driver and the library above it write to standard
 * error stays there, and so does a crash of either: WebGPU's writes two lines of its own where there is no driver, which
 * nothing silences.
 *
 * @throws EsparseError 'usage' as `openDevice` does
 */
export async function tryDevice(name: DeviceName): Promise<string> {
  if (name === 'cpu') return CPU.arithmetic;
  const child = fork(SCRIPT, [name], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), TRY_MS);
  let tried: TriedDevice | undefined;
  child.once('message', (message: TriedDevice) => (tried = message));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  if (tried === undefined) throw noDevice(name, `its process ended with ${String(signal ?? code)}`);
  if ('arithmetic' in tried) return tried.arithmetic;
  throw new EsparseError('usage', tried.message, { hint: tried.hint });
}
