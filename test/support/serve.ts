import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { esparse } from './esparse.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from './repository.ts';

/** A server process. */
export interface ServeProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** Lines of its log so far. */
  readonly log: readonly string[];
  /** Sends SIGTERM and gives the exit code. */
  stop(): Promise<number | null>;
}

/** Starts `esparse serve` on a free port, and gives it once it is ready. */
export async function serve(...args: string[]): Promise<ServeProcess> {
  const child = spawn(process.execPath, [ESPARSE, 'serve', '--port', '0', '--log-level', 'info', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // As the tests see it, which is not as the process that runs them does.
    env: process.env,
  });
  const log: string[] = [];
  createInterface(child.stderr).on('line', (line) => log.push(line));
  const url = await Promise.race([
    new Promise<string>((resolve) => {
      createInterface(child.stdout).on('line', (line) => {
        const found = /^serving on ([^\s,]+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    }),
    once(child, 'exit').then(([code]) => {
      throw new Error(`esparse serve ended with ${String(code)}: ${log.join('\n')}`);
    }),
  ]);
  return {
    url,
    child,
    log,
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

/** Prunes the example model into a store, quickly; `chatTemplate` is put into its settings. */
export async function pruneExample(
  store: string,
  { chatTemplate, args = [] }: { chatTemplate?: string; args?: readonly string[] } = {},
): Promise<void> {
  let model = EXAMPLE_MODEL;
  if (chatTemplate !== undefined) {
    model = path.join(path.dirname(store), 'chat', path.basename(EXAMPLE_MODEL));
    await cp(EXAMPLE_MODEL, model, { recursive: true });
    const file = path.join(model, 'tokenizer_config.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...config, chat_template: chatTemplate }));
  }
  const { code, stderr } = await esparse(
    ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', store],
    ...['--pipeline', 'magnitude', '--samples', '2', '--seqlen', '32', ...args],
  );
  if (code !== 0) throw new Error(`esparse prune ended with ${code}: ${stderr}`);
}
