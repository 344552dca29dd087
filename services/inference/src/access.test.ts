import { connect } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { eventually, serving } from './testing/serving.ts';

const home = mkdtempSync(path.join(tmpdir(), 'esparse-access-'));
const keyFile = path.join(home, 'keys');
const logged: string[] = [];
beforeAll(() => writeFile(keyFile, 'secret-of-alice\nsecret-of-bob\n'));
afterAll(() => {
  rmSync(home, { recursive: true });
});

const server = serving({
  apiKeyFile: keyFile,
  log: pino({ level: 'debug' }, { write: (line: string) => logged.push(line) }),
});

const headers = (key: string) => ({ authorization: `Bearer ${key}`, 'content-type': 'application/json' });

test('with a key set, every route but /health needs one, unknown routes too', async () => {
  const routes = ['/ready', '/metrics', '/info', '/v1/models', '/v1/models/x', '/nowhere', '/v1/completions'];
  for (const route of routes) {
    const response = await server.get(route);
    expect([route, response.status]).toEqual([route, 401]);
    expect(response.headers.get('www-authenticate')).toBe('Bearer');
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', code: 'invalid_api_key' },
    });
  }
  expect((await server.post('/v1/completions', 'not even JSON')).status).toBe(401);
  expect((await server.get('/health')).status).toBe(200);
});

test('each of the keys opens, a wrong one does not, and none is ever logged', async () => {
  for (const key of ['secret-of-alice', 'secret-of-bob']) {
    expect((await server.get('/v1/models', { headers: headers(key) })).status).toBe(200);
    const body = { model: 'llama-2m', prompt: 'The', max_tokens: 2 };
    expect((await server.post('/v1/completions', body, { headers: headers(key) })).status).toBe(200);
  }
  expect((await server.get('/v1/models', { headers: headers('secret-of-carol') })).status).toBe(401);
  const log = logged.join('');
  expect(log).toContain('"route":"/v1/completions"');
  expect(log).not.toContain('secret-of');
});

/** What comes back from raw bytes sent to the server, until it closes the connection. */
function raw(bytes: string, then?: (socket: ReturnType<typeof connect>) => void): Promise<string> {
  const { hostname, port } = new URL(server.server.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket
      .on('error', () => undefined)
      .on('close', () => {
        resolve(answer);
      });
    socket.write(bytes);
    then?.(socket);
  });
}

test('input that is not HTTP, or has too many headers, is answered in the same form and closed', async () => {
  expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"invalid_http"/);
  const withoutHost = await raw('GET /health HTTP/1.1\r\nconnection: close\r\n\r\n');
  expect(withoutHost).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"missing_host"/);
  const large = `GET /health HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`;
  expect(await raw(large)).toMatch(/^HTTP\/1\.1 431 [\s\S]*"code":"headers_too_large"/);
});

test('a client that reads nothing of its stream harms nobody and is forgotten once it goes', async () => {
  const body = JSON.stringify({
    model: 'llama-2m',
    prompt: 'The',
    max_tokens: 1000,
    stream: true,
    logprobs: 5,
  });
  const request =
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret-of-bob\r\n` +
    `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  let socket: ReturnType<typeof connect> | undefined;
  const closed = raw(request, (connection) => {
    socket = connection;
    connection.pause();
  });
  const admitted = async () => {
    const text = await (await server.get('/metrics', { headers: headers('secret-of-bob') })).text();
    return Number(/^esparse_admitted_texts (\d+)$/m.exec(text)?.[1]);
  };
  // Its text is generated to the end into a bounded place; its place in the batch is free again.
  await eventually(async () => (await admitted()) === 0);
  const other = { model: 'llama-2m', prompt: 'The', max_tokens: 3 };
  expect((await server.post('/v1/completions', other, { headers: headers('secret-of-bob') })).status).toBe(
    200,
  );
  socket!.destroy();
  await closed;
});

test('a client that half closes its connection in the middle of a stream gives up its place', async () => {
  const body = JSON.stringify({ model: 'llama-2m', prompt: 'The', max_tokens: 1000, stream: true });
  const answer = await raw(
    `POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret-of-bob\r\n` +
      `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    (socket) => socket.end(),
  );
  expect(answer).not.toContain('[DONE]');
});
