import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ESPARSE } from './repository.ts';

/** An `esparse worker` process that listens. */
export interface WorkerProcess {
  readonly address: string;
  readonly child: ChildProcess;
  /** Lines of its log so far. */
  readonly log: readonly string[];
  /** Ends it with a signal, and gives its exit code; one that has ended is left alone. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `esparse worker` on a loopback port, and waits until it listens. */
export function startWorkerProcess(...args: string[]): Promise<WorkerProcess> {
  return startWorkerOn([], ...args);
}

/** The same behind another command that becomes it, such as one that enters another host. */
export async function startWorkerOn(enter: readonly string[], ...args: string[]): Promise<WorkerProcess> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const [command, ...rest] = [...enter, process.execPath, ESPARSE, 'worker', ...listen, ...args];
  const child = spawn(command!, rest, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // As the tests see it, which is not as the process that runs them does.
    env: process.env,
  });
  const log: string[] = [];
  const address = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log.push(line);
      const listening = /"address":"([^"]+)".*worker listens/.exec(line)?.[1];
      if (listening !== undefined) resolve(listening);
    });
    child.once('exit', () => {
      reject(new Error(`the worker ended: ${log.join('\n')}`));
    });
  });
  return {
    address,
    child,
    log,
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exited = once(child, 'exit');
      child.kill(signal);
      // A stopped process takes no other signal before it goes on.
      if (signal !== 'SIGSTOP') child.kill('SIGCONT');
      return ((await exited) as [number | null])[0];
    },
  };
}
