import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { inTemporaryFolder } from '@esparse/laws';
import { committed, started } from '../testing/prune-events.ts';
import { accessTo } from './access.ts';
import { LiveRun } from './live-run.ts';
import { startLiveServer, type LiveServer } from './server.ts';
import { MAX_VIEWERS } from './viewers.ts';

const HOSTILE = '</script><script>alert(1)</script>';
const time = '2026-11-28T12:00:00.000Z';
const report = () => Promise.reject(new EsparseError('unavailable', 'no block is committed yet'));

async function serving<T>(
  work: (server: LiveServer, run: LiveRun) => Promise<T>,
  keyFile?: string,
): Promise<T> {
  const run = new LiveRun();
  const access = await accessTo('127.0.0.1:0', keyFile);
  const server = await startLiveServer({ run, listen: '127.0.0.1:0', access, report });
  try {
    return await work(server, run);
  } finally {
    await server.close();
  }
}

/** Reads events as they come. */
async function* eventsOf(
  url: string,
  init: RequestInit = {},
): AsyncGenerator<{ name: string; data: string }> {
  const { body } = await fetch(`${url}events`, init);
  let text = '';
  for await (const part of body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, name, data] = /^event: (\w+)\ndata: ?(.*)$/s.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (name !== undefined) yield { name, data: data! };
    }
  }
}

test('a viewer gets the state so far, then the news, and is told the end', async () => {
  await serving(async (server, run) => {
    run.push(started(2));
    const events = eventsOf(server.url);
    const first = await events.next();
    expect(first.value).toMatchObject({ name: 'state' });
    expect(JSON.parse((first.value as { data: string }).data)).toMatchObject({ started: { blocks: 2 } });
    run.push(committed(1, 2));
    const second = await events.next();
    expect(second.value).toMatchObject({
      name: 'news',
      data: expect.stringContaining('"event":"committed"'),
    });
    const closing = server.close();
    await expect(events.next()).resolves.toMatchObject({ value: { name: 'end' } });
    await closing;
  });
});

test('everything may load what this server has and nothing else, and may not be framed', async () => {
  await serving(async ({ url }) => {
    const page = await fetch(url);
    expect(page.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data: blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    const html = await page.text();
    expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to)).toEqual([
      ...['live.css', 'data:,', 'live.js'],
    ]);
    for (const file of ['live.js', 'live.css', 'metrics', 'events']) {
      const answer = await fetch(url + file);
      expect([answer.status, answer.headers.get('x-content-type-options')]).toEqual([200, 'nosniff']);
      await answer.body?.cancel();
    }
  });
});

test('names of a run reach the page as JSON only: nothing of them is in its markup', async () => {
  await serving(async (server, run) => {
    run.push({ event: 'note', time, message: `${HOSTILE}\n\nevent: end` });
    await expect((await fetch(server.url)).text()).resolves.not.toContain('alert');
    const { value } = await eventsOf(server.url).next();
    const state = JSON.parse((value as { data: string }).data) as { log: { text: string }[] };
    expect(state.log[0]!.text).toBe(`${HOSTILE}\n\nevent: end`);
  });
});

test('metrics have what operators and workers report', async () => {
  await serving(async ({ url }, run) => {
    run.push(started(2));
    run.push({
      ...{ event: 'operators', time, seconds: 2 },
      operators: [
        {
          operator: 'tap',
          busy: 0.5,
          backpressured: 0.25,
          idle: 0.25,
          done: 9,
          rate: 3,
          unit: 'tokens',
          queue: 1,
        },
      ],
    });
    run.push({
      ...{ event: 'workers', time },
      workers: [{ worker: 'w:1', connected: 1, running: 1, done: 2, failed: 1, tokens: 64, rate: 32 }],
    });
    const text = await (await fetch(`${url}metrics`)).text();
    expect(text).toContain('esparse_prune_operator_seconds{operator="tap",state="busy"} 1\n');
    expect(text).toContain('esparse_prune_operator_done{operator="tap",unit="tokens"} 9\n');
    expect(text).toContain('esparse_prune_operator_queue{operator="tap"} 1\n');
    expect(text).toContain('esparse_prune_worker_failed_tasks{worker="w:1"} 1\n');
    expect(text).not.toMatch(/^esparse_prune_seconds_left/m);
  });
});

test('what is not there, and what cannot be had yet, is said', async () => {
  await serving(async ({ url }) => {
    const of = async (what: string, init?: RequestInit) => {
      const answer = await fetch(url + what, init);
      return [answer.status, await answer.text()] as const;
    };
    expect((await of('nowhere'))[0]).toBe(404);
    expect((await of('toString'))[0]).toBe(404);
    expect((await of('', { method: 'POST' }))[0]).toBe(405);
    expect(await of('report')).toEqual([503, 'no block is committed yet\n']);
    expect((await of('health'))[0]).toBe(200);
  });
});

test('with a key nothing is shown without it, and a form takes it once', async () => {
  await inTemporaryFolder(async (folder) => {
    const file = path.join(folder, 'keys');
    await writeFile(file, 'open-sesame\n');
    await serving(async ({ url }) => {
      for (const what of ['events', 'report', 'metrics', 'live.js'])
        expect((await fetch(url + what)).status).toBe(401);
      const asked = await fetch(url);
      expect([asked.status, await asked.text()]).toEqual([401, expect.stringContaining('needs a key')]);
      const enter = (key: string) =>
        fetch(`${url}enter`, { method: 'POST', body: new URLSearchParams({ key }), redirect: 'manual' });
      expect((await enter('wrong')).status).toBe(403);
      const entered = await enter('open-sesame');
      expect(entered.status).toBe(303);
      const [cookie] = entered.headers.get('set-cookie')!.split(';');
      expect((await fetch(`${url}metrics`, { headers: { cookie: cookie! } })).status).toBe(200);
      const authorization = 'Bearer open-sesame';
      expect((await fetch(`${url}metrics`, { headers: { authorization } })).status).toBe(200);
    }, file);
  });
});

test('viewers beyond the bound are turned away', async () => {
  await serving(async ({ url }) => {
    const gone = new AbortController();
    const { signal } = gone;
    const viewers = await Promise.all(
      Array.from({ length: MAX_VIEWERS }, () => fetch(`${url}events`, { signal })),
    );
    expect(viewers.every(({ status }) => status === 200)).toBe(true);
    expect((await fetch(`${url}events`)).status).toBe(503);
    gone.abort();
  });
});

test('a viewer that reads nothing holds a bounded part of the news, and gets the state once it reads', async () => {
  await serving(async (server, run) => {
    run.push(started(2));
    const { port } = new URL(server.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
    socket.pause();
    await setTimeout(50);
    // 40 MB of news.
    for (let i = 0; i < 400; i++) {
      for (let line = 0; line < 100; line++)
        run.push({ event: 'note', time, message: `${i} ${'x'.repeat(990)}` });
      run.flush();
      await setImmediateOnce();
    }
    run.push({ event: 'note', time, message: 'the last one' });
    run.flush();
    let text = '';
    let bytes = 0;
    socket.on('data', (part) => {
      bytes += part.length;
      text = (text + String(part)).slice(-2e6);
    });
    socket.resume();
    while (!text.includes('the last one')) await setTimeout(20);
    // What the system holds of a connection, and this server's bound: most news were never written.
    expect(bytes).toBeLessThan(20e6);
    socket.destroy();
  });
});

function setImmediateOnce(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
