import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { EXIT_BAD_INPUT, EsparseError } from '@esparse/errors';

/** Worker processes that this process started and will stop. */
export interface LocalWorkers {
  readonly addresses: readonly string[];
  stop(): Promise<void>;
}

/** One of them. */
export interface LocalWorker {
  readonly address: string;
  stop(): Promise<void>;
}

export interface LocalWorkerOptions {
  /** Script of the `esparse` command: the worker is `esparse worker` on a free loopback port. */
  readonly script: string;
  readonly threads?: number | undefined;
  /** What runs its blocks. @default 'cpu' */
  readonly device?: string | undefined;
  /** The file or package of a model family that it is to know. @default none */
  readonly family?: string | undefined;
  /** The file or package of an encoding that it is to know. @default none */
  readonly encoding?: string | undefined;
  readonly roots: readonly string[];
  /** Takes each line that it writes to standard error. @default they go to that of this process */
  readonly print?: ((line: string) => void) | undefined;
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined;
}

/** The message of a forked worker to its parent once it listens. */
export interface WorkerReady {
  readonly address: string;
}

/** How long a worker may take to listen: loading the runtime from a cold disk takes seconds. */
const START_TIMEOUT_MS = 60_000;

/** How long it may take to stop before it is killed: what it still computes is wanted by nobody. */
const STOP_TIMEOUT_MS = 2_000;

/** Who stops this process may stop the worker a moment earlier: so long the signal to this one is waited for. */
const SIGNAL_MS = 200;

/**
 * Starts a worker process and waits until it listens. The worker ends by itself when this process dies: it watches
 * the channel between them.
 */
export async function startLocalWorker({
  script,
  threads,
  device,
  family,
  encoding,
  roots,
  print,
  signal,
}: LocalWorkerOptions): Promise<LocalWorker> {
  const args = ['worker', '--listen', '127.0.0.1:0', '--log-level', 'warn'];
  for (const root of roots) args.push('--root', root);
  if (threads !== undefined) args.push('--threads', String(threads));
  if (device !== undefined) args.push('--device', device);
  if (family !== undefined) args.push('--family', family);
  if (encoding !== undefined) args.push('--encoding', encoding);
  signal?.throwIfAborted();
  const stderr = print === undefined ? 'inherit' : 'pipe';
  const child = fork(script, args, { stdio: ['ignore', 'ignore', stderr, 'ipc'], env: workerEnvironment() });
  if (print !== undefined && child.stderr !== null) createInterface(child.stderr).on('line', print);
  const { address } = await readiness(child, signal);
  return {
    address,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await Promise.race([exited, setTimeout(STOP_TIMEOUT_MS, undefined, { ref: false })]);
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/**
 * Starts several, one for each device, each with as many threads.
 *
 * @throws as `startLocalWorker`, when those that did start have ended
 */
export async function startLocalWorkers(
  options: Omit<LocalWorkerOptions, 'device'>,
  devices: readonly (string | undefined)[],
): Promise<LocalWorkers> {
  const started = await Promise.allSettled(devices.map((device) => startLocalWorker({ ...options, device })));
  const workers = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const stop = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };
  const failed = started.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return { addresses: workers.map(({ address }) => address), stop };
  await stop();
  throw failed.reason;
}

/** Threads of Node's own that files are read and written by, where nothing is said: with 4, a worker on a GPU waits for them. */
const FILE_THREADS = 12;

/** This environment without the certificates with which prune speaks to other hosts: on loopback there is no TLS. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('ESPARSE_TLS_'));
  return { UV_THREADPOOL_SIZE: String(FILE_THREADS), ...Object.fromEntries(own) };
}

/** @throws EsparseError where it ends or hangs; what the signal was aborted with. Either way it is killed. */
async function readiness(child: ChildProcess, signal: AbortSignal | undefined): Promise<WorkerReady> {
  const settled = new AbortController();
  const late = AbortSignal.timeout(START_TIMEOUT_MS);
  const giveUp = AbortSignal.any([settled.signal, late, ...(signal === undefined ? [] : [signal])]);
  try {
    return await Promise.race([
      once(child, 'message', { signal: giveUp }).then(([message]) => message as WorkerReady),
      // Once all that it said has been read, too.
      once(child, 'close', { signal: giveUp }).then(async ([code, killedBy]) => {
        if (code === null) await setTimeout(SIGNAL_MS, undefined, { signal: giveUp });
        throw ended(code as number | null, killedBy as NodeJS.Signals | null);
      }),
    ]);
  } catch (error) {
    child.kill('SIGKILL');
    signal?.throwIfAborted();
    if (!late.aborted) throw error;
    throw new EsparseError(
      'unavailable',
      `the worker process did not listen within ${START_TIMEOUT_MS / 1000} s`,
    );
  } finally {
    settled.abort();
  }
}

function ended(code: number | null, signal: NodeJS.Signals | null): EsparseError {
  if (code === null) {
    return new EsparseError('unavailable', `the worker process was ended by ${signal ?? 'a signal'}`, {
      hint:
        signal === 'SIGKILL'
          ? 'by the system, for want of memory? `esparse plan` says how much a worker takes'
          : 'run the same command again: it goes on',
    });
  }
  const kind = code === EXIT_BAD_INPUT ? 'usage' : 'unavailable';
  return new EsparseError(kind, `the worker process ended with exit code ${code}`, {
    hint: 'what it said stands above',
  });
}
