import { cp, mkdtemp, open, readdir, realpath, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, status } from '@grpc/grpc-js';
import { InferenceClient } from '@esparse/protocol';
import { pino } from 'pino';
import { WATCH_INTERVAL_MS } from './limits.ts';
import { startServer, type RunningServer } from './server.ts';
import { writeExampleRun } from './testing/example-store.ts';
import { DEFAULTS, events, eventually, RUN, type Answer } from './testing/serving.ts';

const NEXT = 'bbbb0123456789abcdef0123456789ab';
let home: string;
/** A store with two runs, the first of which is current; tests copy it. */
let original: string;
/** The document that makes the other one current. */
let other: string;

beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-lifecycle-')));
  original = path.join(home, 'original');
  other = path.join(home, 'other');
  await writeExampleRun({ store: original, fingerprint: NEXT, pattern: { keep: 1, group: 4 } });
  await cp(path.join(original, 'current'), other);
  await writeExampleRun({ store: original, fingerprint: RUN });
});
afterAll(() => rm(home, { recursive: true, force: true }));

async function copy(name: string): Promise<string> {
  const store = path.join(home, name);
  await cp(original, store, { recursive: true });
  return store;
}

/** Makes the other run current. */
const makeOtherCurrent = (store: string) => cp(other, path.join(store, 'current'));

const ask = (server: RunningServer, body: object) =>
  fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt: 'Once upon a time', ...body }),
  });

/** The text of a stream and the run that it came from; an error in it, or in its place, is thrown. */
async function textOf(response: Response): Promise<{ text: string; run: string }> {
  // On a busy machine the time of a request is over before its stream has begun.
  if (!response.ok) throw new Error(await response.text());
  let [text, run, done] = ['', '', false];
  for await (const data of events(response)) {
    if (data === '[DONE]') {
      done = true;
      continue;
    }
    const chunk = JSON.parse(data) as Answer & { error?: { message: string }; system_fingerprint: string };
    if (chunk.error) throw new Error(chunk.error.message);
    text += chunk.choices[0]!.text;
    run = chunk.system_fingerprint;
  }
  if (!done) throw new Error('the stream was cut');
  return { text, run };
}

/** Changes a byte in the middle of a file of packed values. */
async function damage(store: string, run: string): Promise<string> {
  const folder = path.join(store, 'runs', run, 'blocks/2');
  const files = await readdir(folder, { recursive: true });
  const values = files.find((file) => file.endsWith('up_proj/values/c/0/0/0'))!;
  const handle = await open(path.join(folder, values), 'r+');
  const { size } = await handle.stat();
  await handle.write(Buffer.from([0xab]), 0, 1, Math.floor(size / 2));
  await handle.close();
  return values;
}

test('a server that is asked to stop lets its streams end, refuses new requests, and closes its port', async () => {
  // However long the stream takes on a busy machine.
  const server = await startServer({ ...DEFAULTS, store: await copy('drain'), drainSeconds: 120 });
  const running = await ask(server, { max_tokens: 600, stream: true });
  const text = textOf(running);
  const closed = server.close();
  const ready = await fetch(`${server.url}/ready`);
  expect(ready.status).toBe(503);
  const refused = await ask(server, { max_tokens: 1 });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({ error: { code: 'draining' } });
  expect((await text).text.length).toBeGreaterThan(100);
  await closed;
  await expect(ask(server, { max_tokens: 1 })).rejects.toThrow();
});

test('streams that outlast the time to drain end with an error in the stream, and the server stops', async () => {
  const server = await startServer({ ...DEFAULTS, store: await copy('late'), drainSeconds: 0 });
  const text = textOf(await ask(server, { max_tokens: 1000, stream: true }));
  const ended = expect(text).rejects.toThrow(/stopping/);
  await server.close();
  await ended;
});

test('a request that takes longer than its time ends with an error over HTTP and gRPC, and its slot is free', async () => {
  const server = await startServer({
    ...DEFAULTS,
    store: await copy('slow'),
    // On a fast processor a text may come to its own end in 50 ms.
    requestSeconds: 0.01,
    grpc: '127.0.0.1:0',
  });
  const response = await ask(server, { max_tokens: 1000 });
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ error: { code: 'request_timeout' } });
  await expect(textOf(await ask(server, { max_tokens: 1000, stream: true }))).rejects.toThrow(/longer/);
  // The stream's 200 had left before its end: what is counted is how it ended.
  const late = 'esparse_requests_total{route="/v1/completions",method="POST",status="503"} 2\n';
  await eventually(async () => (await (await fetch(`${server.url}/metrics`)).text()).includes(late));
  const client = new InferenceClient(server.grpc!, credentials.createInsecure());
  const reading = async () => {
    for await (const reply of client.Generate({ text: 'The', maxTokens: 1000 })) expect(reply).toBeDefined();
  };
  await expect(reading()).rejects.toMatchObject({
    code: status.DEADLINE_EXCEEDED,
    details: expect.stringMatching(/longer/),
  });
  client.close();
  await server.close();
});

test('a full queue is answered 429 with Retry-After, and a slot that is freed is used', async () => {
  const store = await copy('full');
  const server = await startServer({ ...DEFAULTS, store, maxSequences: 1, maxQueue: 1 });
  const controller = new AbortController();
  const held = fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'llama-2m', prompt: 'The', max_tokens: 1000, n: 2 }),
    signal: controller.signal,
  });
  held.catch(() => undefined);
  await eventually(async () => (await ask(server, { max_tokens: 1 })).status === 429);
  const refused = await ask(server, { max_tokens: 1, stream: true });
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'queue_full' } });
  controller.abort();
  await eventually(async () => (await ask(server, { max_tokens: 1 })).status === 200);
  await server.close();
});

test('a new current run is swapped in without one failed request: running ones end on the old, new ones use the new', async () => {
  const store = await copy('swap');
  const server = await startServer({ ...DEFAULTS, store });
  const options = { max_tokens: 40, temperature: 0, stream: true };
  const old = await textOf(await ask(server, options));
  const results: { text: string; run: string }[] = [];
  let stop = false;
  const client = async () => {
    while (!stop) results.push(await textOf(await ask(server, options)));
  };
  const clients = Promise.all([client(), client(), client()]);
  await makeOtherCurrent(store);
  await server.reload();
  expect(server.run()).toBe(NEXT);
  const fresh = await textOf(await ask(server, options));
  stop = true;
  await clients;
  expect(fresh.run).toBe(NEXT);
  expect(fresh.text).not.toBe(old.text);
  expect(new Set(results.map(({ run }) => run))).toContain(RUN);
  for (const { text, run } of results) expect(text).toBe(run === RUN ? old.text : fresh.text);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('esparse_model_swaps_total{outcome="done"} 1');
  expect(metrics).toMatch(/requests_total\{route="\/v1\/completions",method="POST",status="200"\}/);
  expect(metrics).not.toMatch(/requests_total\{route="\/v1\/completions",method="POST",status="[45]/);
  await server.close();
});

test('with --watch a new run is found by itself', async () => {
  const store = await copy('watch');
  const server = await startServer({ ...DEFAULTS, store, watch: true });
  await makeOtherCurrent(store);
  await eventually(() => server.run() === NEXT);
  await server.close();
});

test('a new run that is damaged is refused and the old one stays; once repaired, it is served', async () => {
  const store = await copy('damaged');
  const server = await startServer({ ...DEFAULTS, store, verify: 'full' });
  const mended = path.join(home, 'mended');
  await cp(path.join(store, 'runs', NEXT), mended, { recursive: true });
  await damage(store, NEXT);
  await makeOtherCurrent(store);
  await server.reload();
  expect(server.run()).toBe(RUN);
  expect((await ask(server, { max_tokens: 2 })).status).toBe(200);
  await cp(mended, path.join(store, 'runs', NEXT), { recursive: true, force: true });
  await server.reload();
  expect(server.run()).toBe(NEXT);
  await server.close();
});

/** A log, and its messages. */
function logged() {
  const messages: string[] = [];
  const write = (line: string) => messages.push((JSON.parse(line) as { msg: string }).msg);
  return { messages, log: pino({ level: 'info' }, { write }) };
}

test('a store that cannot be looked at is logged once each time, and no run counts as refused', async () => {
  const store = await copy('away');
  const { messages, log } = logged();
  const server = await startServer({ ...DEFAULTS, store, log });
  for (let times = 1; times <= 2; times++) {
    await rename(store, `${store}-elsewhere`);
    await server.reload();
    await rename(`${store}-elsewhere`, store);
    await server.reload();
    expect(messages.filter((message) => message.includes('cannot be looked at'))).toHaveLength(times);
  }
  expect(server.run()).toBe(RUN);
  expect((await ask(server, { max_tokens: 2 })).status).toBe(200);
  expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('outcome="refused"');
  await server.close();
});

test('a server that was started with a run looks for no other, and does not say so again and again', async () => {
  const store = await copy('stays');
  const { messages, log } = logged();
  const server = await startServer({ ...DEFAULTS, store, run: RUN, watch: true, log });
  const said = messages.length;
  await makeOtherCurrent(store);
  await sleep(1.5 * WATCH_INTERVAL_MS);
  expect([server.run(), messages.slice(said)]).toEqual([RUN, []]);
  await server.close();
});

test('a store with a damaged chunk is refused at the start by the name of the chunk', async () => {
  const store = await copy('bad');
  const file = await damage(store, RUN);
  await expect(startServer({ ...DEFAULTS, store, verify: 'full' })).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining(file),
  });
  // Without checks it is served, damage and all: the option says so.
  const server = await startServer({ ...DEFAULTS, store });
  await server.close();
});

test('a missing block, no store, and an unknown run are refused at the start', async () => {
  const store = await copy('missing');
  await rm(path.join(store, 'runs', RUN, 'blocks/1'), { recursive: true });
  await expect(startServer({ ...DEFAULTS, store, verify: 'full' })).rejects.toMatchObject({ kind: 'store' });
  await expect(startServer({ ...DEFAULTS, store })).rejects.toThrow(/1/);
  await expect(startServer({ ...DEFAULTS, store: home })).rejects.toMatchObject({ kind: 'store' });
  await expect(startServer({ ...DEFAULTS, store: original, run: 'ffff' })).rejects.toMatchObject({
    kind: 'store',
  });
});

test('an address that is taken is refused at the start', async () => {
  const server = await startServer({ ...DEFAULTS, store: original });
  const port = Number(new URL(server.url).port);
  await expect(startServer({ ...DEFAULTS, store: original, port })).rejects.toMatchObject({ kind: 'usage' });
  await server.close();
});
