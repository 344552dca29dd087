import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ESPARSE } from '../support/repository.ts';

/** A server that is measured from outside. */
export interface MeasuredServer {
  readonly url: string;
  /** A metric without labels. */
  metric(name: string): Promise<number>;
  /** Resident memory in MiB that is no mapped file: weights are not counted. */
  privateMib(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts `esparse serve` on a free port. */
export async function startMeasured(store: string, args: readonly string[] = []): Promise<MeasuredServer> {
  const child: ChildProcess = spawn(
    process.execPath,
    [ESPARSE, 'serve', '--store', store, '--port', '0', '--log-level', 'error', ...args],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
  const url = /^serving on ([^\s,]+)/.exec(line)![1]!;
  return {
    url,
    async metric(name) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const found = text.split('\n').find((one) => one.startsWith(`esparse_${name} `));
      return Number(found?.split(' ')[1]);
    },
    async privateMib() {
      const status = await readFile(`/proc/${child.pid!}/status`, 'utf8');
      return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}
