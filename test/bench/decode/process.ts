import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { ESPARSE } from '../../support/repository.ts';
import { heading, median, print } from '../table.ts';

const STARTS = 5;
const REQUESTS = 8;
const MIB = 1024 * 1024;

/** What a process costs: the time from its start to its first token, and memory that it shares with nobody. */
export async function benchProcess(store: string, threads: number): Promise<void> {
  heading('a fresh process, page cache warm');
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i++) starts.push(await firstToken(store, threads));
  const seconds = median(starts);
  print({
    name: 'esparse generate, from start to first token',
    measured: `${seconds.toFixed(2)} s`,
    target: '< 1 s',
    met: seconds < 1,
  });
  const { bytes, kept } = await serving(store, threads);
  print({
    name: `esparse serve, memory of the cache for ${REQUESTS} texts`,
    measured: `${(kept / MIB).toFixed(0)} MiB`,
  });
  const own = bytes - kept;
  print({
    name: '  anonymous memory beside the cache',
    measured: `${(own / MIB).toFixed(0)} MiB`,
    target: '< 200 MB',
    met: own < 200e6,
  });
}

/** Seconds from starting `esparse generate` to the first byte of its text. */
async function firstToken(store: string, threads: number): Promise<number> {
  const started = performance.now();
  const args = [
    'generate',
    '--store',
    store,
    '--prompt',
    'the cat sat',
    '--max-tokens',
    '1',
    '--temperature',
    '0',
  ];
  const child = spawn(process.execPath, [ESPARSE, ...args, '--threads', String(threads)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  const seconds = (performance.now() - started) / 1000;
  child.stdout.resume();
  await exited;
  return seconds;
}

/** The memory of a server that has generated for several clients at a time, and what of it its cache holds. */
async function serving(store: string, threads: number): Promise<{ bytes: number; kept: number }> {
  const args = ['serve', '--store', store, '--port', '0', '--verify', 'none', '--log-level', 'warn'];
  const child = spawn(
    process.execPath,
    [ESPARSE, ...args, '--model-name', 'bench', '--threads', String(threads)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  try {
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const url = /http:\S+/.exec(line)![0];
    const tokens = (await Promise.all(Array.from({ length: REQUESTS }, () => complete(url)))).reduce(
      (a, b) => a + b,
    );
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    const info = (await (await fetch(`${url}/info`)).json()) as {
      kv_page_tokens: number;
      kv_page_bytes: number;
    };
    const pages = Math.ceil(tokens / info.kv_page_tokens) + REQUESTS;
    return {
      bytes: Number(/RssAnon:\s+(\d+) kB/.exec(status)![1]) * 1024,
      kept: pages * info.kv_page_bytes,
    };
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

/** Tokens of prompt and text. */
async function complete(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'bench', prompt: 'the cat sat on', max_tokens: 24, seed: 1 }),
  });
  const answer = (await response.json()) as { usage?: { total_tokens: number } };
  if (answer.usage === undefined) throw new Error(`esparse serve answered ${response.status}`);
  return answer.usage.total_tokens;
}
