import { connect } from 'node:net';
import { pino } from 'pino';
import { createTextService } from '../generate/service.ts';
import { createAdmission } from '@esparse/engine';
import { createEventLoopPacer } from '../generate/event-loop-pacer.ts';
import { createMetrics } from '../metrics/metrics.ts';
import { createServedModels } from '../model/served-model.ts';
import { hostGuard } from '@esparse/protocol';
import { createApp } from './app.ts';

/** A server without a model, and quick to lose its patience. */
const state = { queued: 0, running: 0, pages: 0, freePages: 0, devices: [] };
const metrics = createMetrics({
  state: () => state,
  admitted: () => 0,
  eventLoop: {
    recent: () => ({ max: 0, p99: 0 }),
    longest: () => 0,
    ready: () => undefined,
    stop: () => undefined,
  },
});
const service = createTextService({
  engine: undefined as never,
  renderer: undefined as never,
  models: createServedModels({ model: () => undefined, text: () => undefined }),
  admission: createAdmission(1, 1),
  observer: metrics,
});
const limits = { bodyBytes: 1024, requestSeconds: 5, connections: 10, maxSequences: 1, maxQueue: 1 };
const app = createApp(
  {
    ...{ service, metrics, keys: undefined, limits, nextTurn: createEventLoopPacer() },
    allowsHost: hostGuard(['models.example', 'x']),
  },
  pino({ level: 'silent' }),
  {
    // Longer than a busy machine lets this process wait: requests of other tests come in time.
    headersMs: 2000,
    bodyMs: 3000,
  },
);
let port = 0;
beforeAll(async () => {
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
});
afterAll(() => app.close());

function send(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve(answer);
      });
    socket.write(bytes);
  });
}

test('before the model is loaded the server is alive, not ready, and says when to try again', async () => {
  const ask = (route: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${route}`, init);
  expect((await ask('/health')).status).toBe(200);
  const answers = [
    await ask('/ready'),
    await ask('/v1/models'),
    await ask('/v1/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'x', prompt: 'y' }),
    }),
  ];
  for (const answer of answers) {
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({ error: { code: 'not_ready', type: 'server_error' } });
  }
  expect((await ask('/metrics')).status).toBe(200);
});

test('a request that names a host that is not allowed is refused before its route, with the name of the option', async () => {
  const status = async (host: string, route = '/health') =>
    (await send(`GET ${route} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).split('\r\n')[0];
  for (const host of ['models.example', `127.0.0.1:${port}`, 'localhost'])
    expect(await status(host)).toBe('HTTP/1.1 200 OK');
  for (const route of ['/health', '/v1/models', '/nowhere'])
    expect(await status('attacker.example', route)).toBe('HTTP/1.1 421 Misdirected Request');
  const answer = await send('GET /info HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n');
  expect(answer).toContain('"code":"unknown_host"');
  expect(answer).toContain('--allowed-hosts');
});

test('headers that never end, and a body that never comes, are answered 408 and closed', async () => {
  const [headers, body] = await Promise.all([
    send('GET /health HTTP/1.1\r\nhost: x\r\nx-slow: '),
    send(
      'POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"mod',
    ),
  ]);
  for (const answer of [headers, body])
    expect(answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/);
});

test('an expectation that the server does not know is refused in the form of every error', async () => {
  const answer = await send('POST /v1/completions HTTP/1.1\r\nhost: x\r\nexpect: wonders\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/);
  expect(answer).toContain('"type":"invalid_request_error","param":null,"code":"unknown_expectation"');
});

test('connections beyond their number are closed at once', async () => {
  const held = Array.from({ length: 10 }, () => connect(port, '127.0.0.1'));
  await Promise.all(held.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  expect(await send('GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).toBe('');
  for (const socket of held) socket.destroy();
});
