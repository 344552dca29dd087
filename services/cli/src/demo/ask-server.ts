import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { EsparseError } from '@esparse/errors';
import { ownScript } from '../own-command.ts';

/** What a server has answered. */
export interface Answer {
  readonly url: string;
  readonly text: string;
  readonly tokens: number;
  readonly seconds: number;
}

interface Completion {
  readonly choices: readonly { readonly text: string }[];
  readonly usage: { readonly completion_tokens: number };
  readonly error?: { readonly message: string };
}

/**
 * Serves a store on a free port, asks for one completion of `prompt`, and stops the server.
 *
 * @throws EsparseError 'internal' where the server does not start, or answers with an error
 */
export async function askServer(store: string, prompt: string, signal: AbortSignal): Promise<Answer> {
  const server = spawn(
    process.execPath,
    [ownScript(), 'serve', '--store', store, '--port', '0', '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit'], signal },
  );
  const exited = once(server, 'exit') as Promise<[code: number | null]>;
  try {
    const [line] = (await Promise.race([
      once(createInterface(server.stdout), 'line'),
      exited.then(([code]) => {
        throw new EsparseError('internal', `esparse serve ended with exit code ${code ?? 'none'}`);
      }),
    ])) as [string];
    const url = /http:\S+/.exec(line)![0];
    return { url, ...(await complete(url, prompt, signal)) };
  } finally {
    server.kill('SIGTERM');
    await exited;
  }
}

async function complete(url: string, prompt: string, signal: AbortSignal): Promise<Omit<Answer, 'url'>> {
  const started = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt, max_tokens: 48, temperature: 0 }),
    signal,
  });
  const { choices, usage, error } = (await response.json()) as Completion;
  if (!response.ok) {
    throw new EsparseError('internal', `esparse serve answered ${response.status}: ${error?.message ?? ''}`);
  }
  return {
    text: choices[0]!.text,
    tokens: usage.completion_tokens,
    seconds: (performance.now() - started) / 1000,
  };
}
