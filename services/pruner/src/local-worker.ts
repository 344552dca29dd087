import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { EXIT_BAD_INPUT, EsparseError } from '@esparse/errors';
import type { DeviceName } from '@esparse/onnx';

/** A worker process that this process started and will stop. */
export interface LocalWorker {
  readonly address: string;
  stop(): Promise<void>;
}

export interface LocalWorkerOptions {
  /** Script of the `esparse` command: the worker is `esparse worker` on a free loopback port. */
  readonly script: string;
  readonly threads?: number | undefined;
  /** What runs its blocks. @default 'cpu' */
  readonly device?: DeviceName | undefined;
  /** The file or package of a model family that it is to know. @default none */
  readonly family?: string | undefined;
  readonly roots: readonly string[];
}

/** The message of a forked worker to its parent once it listens. */
export interface WorkerReady {
  readonly address: string;
}

/** How long a worker may take to listen: loading the runtime from a cold disk takes seconds. */
const START_TIMEOUT_MS = 60_000;

/** How long it may take to stop before it is killed. */
const STOP_TIMEOUT_MS = 5_000;

/**
 * Starts a worker process and waits until it listens. The worker ends by itself when this process dies: it watches
 * the channel between them.
 */
export async function startLocalWorker({
  script,
  threads,
  device,
  family,
  roots,
}: LocalWorkerOptions): Promise<LocalWorker> {
  const args = ['worker', '--listen', '127.0.0.1:0', '--log-level', 'warn'];
  for (const root of roots) args.push('--root', root);
  if (threads !== undefined) args.push('--threads', String(threads));
  if (device !== undefined) args.push('--device', device);
  if (family !== undefined) args.push('--family', family);
  const child = fork(script, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: withoutTls() });
  const { address } = await readiness(child);
  return {
    address,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** This environment without the certificates with which prune speaks to other hosts: on loopback there is no TLS. */
function withoutTls(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ESPARSE_TLS_')));
}

async function readiness(child: ChildProcess): Promise<WorkerReady> {
  const giveUp = new AbortController();
  const timer = setTimeout(() => {
    giveUp.abort();
  }, START_TIMEOUT_MS);
  try {
    return await Promise.race([
      once(child, 'message', { signal: giveUp.signal }).then(([message]) => message as WorkerReady),
      once(child, 'exit', { signal: giveUp.signal }).then(([code]) => {
        const kind = code === EXIT_BAD_INPUT ? 'usage' : 'unavailable';
        throw new EsparseError(kind, `the worker process ended with exit code ${String(code)}`, {
          hint: 'what it said stands above',
        });
      }),
    ]);
  } catch (error) {
    child.kill('SIGKILL');
    if (giveUp.signal.aborted) {
      throw new EsparseError(
        'unavailable',
        `the worker process did not listen within ${START_TIMEOUT_MS / 1000} s`,
      );
    }
    throw error;
  } finally {
    clearTimeout(timer);
    giveUp.abort(); // lets the listener of the other race partner go
  }
}
