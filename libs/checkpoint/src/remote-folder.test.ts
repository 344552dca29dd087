import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openFolder, openObjects } from '@esparse/storage';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { openCheckpointFile } from './checkpoint-file.ts';
import { openCheckpoint } from './checkpoint.ts';
import { openTokenizer } from './tokenizer.ts';
import { openTokenizers } from './testing/open-tokenizers.ts';
import { tokenizerFiles } from './tokenizer-files.ts';

const tokenizers = openTokenizers();
const MODEL = path.join(import.meta.dirname, '../../../examples/models/llama-2m');
const FILE = 'model.safetensors';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let address: string;
let requests: { method: string; url: string; headers: IncomingMessage['headers'] }[] = [];
/** What is done instead of answering, while it gives true. */
let instead: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;
const files = new Map<string, { bytes: Buffer; etag: string }>();
let s3: S3Server;
const environment = { ...process.env };

beforeAll(async () => {
  for (const name of await readdir(MODEL)) {
    files.set(`/models/llama 2m/${name}`, {
      bytes: await readFile(path.join(MODEL, name)),
      etag: `"${name}"`,
    });
  }
  server = createServer((request, response) => {
    requests.push({ method: request.method!, url: request.url!, headers: request.headers });
    if (!instead(request, response)) serveFile(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment);
  const objects = await openObjects(`s3://${s3.bucket}/models/llama 2m`);
  for (const name of await readdir(MODEL)) await objects.put(name, [await readFile(path.join(MODEL, name))]);
});
afterAll(async () => {
  process.env = environment;
  server.closeAllConnections();
  await Promise.all([new Promise((resolve) => server.close(resolve)), s3.stop()]);
});
beforeEach(async () => {
  requests = [];
  instead = () => false;
  await s3.fault();
});

/** Files by range, as any server of static files answers. */
const serveFile: Answer = (request, response) => {
  const file = files.get(decodeURIComponent(new URL(request.url!, address).pathname));
  if (file === undefined) {
    response.writeHead(404).end();
    return;
  }
  const { bytes, etag } = file;
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range === null) response.writeHead(200, { etag, 'content-length': bytes.length });
  else {
    const part = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    response.writeHead(206, {
      etag,
      'content-length': part.length,
      'content-range': `bytes ${range[1]!}-${range[2]!}/${bytes.length}`,
    });
    if (request.method === 'GET') response.write(part);
  }
  response.end();
};

/** Does something else with the next `times` requests for a range. */
function nextRanges(times: number, answer: Answer): void {
  let left = times;
  instead = (request, response) => {
    if (request.headers.range === undefined || left-- <= 0) return false;
    answer(request, response);
    return true;
  };
}

const httpModel = () => `${address}/models/llama%202m/`;
const s3Model = () => `s3://${s3.bucket}/models/llama 2m`;

test.each([
  ['on a server', httpModel],
  ['in a bucket', s3Model],
])('a checkpoint %s is the same as in a folder: identity, tensors, tokenizer, files', async (_, model) => {
  const local = await openCheckpoint(MODEL);
  const remote = await openCheckpoint(model());
  expect(remote.digest).toBe(local.digest);
  expect([...remote.tensors]).toEqual([...local.tensors]);
  const name = 'model.embed_tokens.weight';
  expect(Buffer.from(await remote.read(name)).equals(Buffer.from(await local.read(name)))).toBe(true);
  const rows = Uint32Array.of(5, 3, 5, 100);
  expect(await remote.readRows(name, rows)).toEqual(await local.readRows(name, rows));
  expect(await tokenizerFiles(model())).toEqual(await tokenizerFiles(MODEL));
  const [here, there] = await Promise.all([MODEL, model()].map(tokenizers.at));
  const ids = await here!.encode('Once upon a time', { bos: false });
  expect(await there!.encode('Once upon a time', { bos: false })).toEqual(ids);
  tokenizers.close();
  await Promise.all([local.close(), remote.close()]);
  await expect(remote.read(name)).rejects.toMatchObject({ kind: 'internal' });
});

test('never is a file of weights read whole, and the error for a place without a checkpoint says so', async () => {
  await (await openCheckpoint(httpModel())).close();
  const ofWeights = requests.filter(({ url }) => url.includes(FILE));
  expect(ofWeights.filter(({ method }) => method === 'HEAD')).toHaveLength(1);
  expect(ofWeights.every(({ method, headers }) => method === 'HEAD' || headers.range !== undefined)).toBe(
    true,
  );
  const missing = { kind: 'checkpoint', message: expect.stringContaining('has no config.json') };
  await expect(openCheckpoint(`${address}/elsewhere`)).rejects.toMatchObject(missing);
  await expect(openCheckpoint(`s3://${s3.bucket}/elsewhere`)).rejects.toMatchObject(missing);
});

async function readWeights(length = 100_000): Promise<Buffer> {
  const source = await openCheckpointFile(await openFolder(httpModel()), FILE);
  return Buffer.from(await source!.read(1000, length));
}
const weights = (length = 100_000) =>
  files.get(`/models/llama 2m/${FILE}`)!.bytes.subarray(1000, 1000 + length);

test('busy answers, lost connections and broken bodies are met with another try, from where it broke off', async () => {
  nextRanges(1, (_, response) => response.writeHead(503, { 'retry-after': '0' }).end());
  expect(await readWeights()).toEqual(weights());
  nextRanges(1, (request) => request.socket.destroy());
  expect(await readWeights()).toEqual(weights());
  nextRanges(1, (request, response) => {
    response.writeHead(206, {
      etag: `"${FILE}"`,
      'content-length': 100_000,
      'content-range': `bytes 1000-100999/${files.get(`/models/llama 2m/${FILE}`)!.bytes.length}`,
    });
    response.write(weights(40_000), () => setImmediate(() => request.socket.destroy()));
  });
  requests = [];
  expect(await readWeights()).toEqual(weights());
  expect(requests.at(-1)!.headers.range).toMatch(/^bytes=(?!1000-)\d+-100999$/);
});

test.each<[string, Answer, object]>([
  [
    'ignores ranges',
    (_, response) => response.writeHead(200, { etag: `"${FILE}"` }).write('x'.repeat(1000)),
    { kind: 'checkpoint', message: expect.stringContaining('does not answer ranges') },
  ],
  [
    'answers another range',
    (_, response) => {
      const { length } = files.get(`/models/llama 2m/${FILE}`)!.bytes;
      response
        .writeHead(206, { etag: `"${FILE}"`, 'content-range': `bytes 0-99/${length}` })
        .end('x'.repeat(100));
    },
    { kind: 'checkpoint', message: expect.stringContaining('bytes 1000 to 100999 were asked for') },
  ],
  [
    'sends more than it said',
    (_, response) => {
      const { length } = files.get(`/models/llama 2m/${FILE}`)!.bytes;
      response.writeHead(206, { etag: `"${FILE}"`, 'content-range': `bytes 1000-100999/${length}` });
      response.end(Buffer.alloc(100_001));
    },
    { kind: 'checkpoint', message: expect.stringContaining('more than it said') },
  ],
  [
    'has another version',
    (_, response) => {
      const { length } = files.get(`/models/llama 2m/${FILE}`)!.bytes;
      response
        .writeHead(206, { etag: '"new"', 'content-range': `bytes 1000-100999/${length}` })
        .end(Buffer.alloc(100_000));
    },
    { kind: 'checkpoint', message: expect.stringContaining('was replaced') },
  ],
  [
    'has another size',
    (_, response) =>
      response.writeHead(206, { etag: `"${FILE}"`, 'content-range': 'bytes 1000-100999/200000' }).end(),
    { kind: 'checkpoint', message: expect.stringContaining('was replaced') },
  ],
  [
    'refuses',
    (_, response) => response.writeHead(403).end(),
    { kind: 'denied', hint: expect.stringContaining('credentials') },
  ],
  [
    'redirects in a circle',
    (request, response) => response.writeHead(302, { location: request.url }).end(),
    { kind: 'checkpoint', message: expect.stringContaining('more than 5 times') },
  ],
  [
    'redirects to a file of this machine',
    (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    { kind: 'checkpoint', message: expect.stringContaining('must not be read') },
  ],
])('the error for a server that %s says so', async (_, answer, error) => {
  nextRanges(Number.POSITIVE_INFINITY, answer);
  await expect(readWeights()).rejects.toMatchObject(error);
});

test('a server that is not there is unavailable, and one without sizes cannot be read by ranges', async () => {
  const stopped = createServer();
  await new Promise<void>((resolve) => stopped.listen(0, '127.0.0.1', resolve));
  const folder = await openFolder(`http://127.0.0.1:${(stopped.address() as AddressInfo).port}/x/`);
  await new Promise((resolve) => stopped.close(resolve));
  await expect(openCheckpointFile(folder, 'config.json')).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  instead = (_, response) => {
    response.writeHead(200, { 'transfer-encoding': 'chunked' }).end();
    return true;
  };
  await expect(openCheckpointFile(await openFolder(httpModel()), 'config.json')).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('does not tell its size'),
  });
});

test('redirections are followed, and the credentials stay with the server that they are for', async () => {
  const other = createServer((request, response) => {
    requests.push({ method: request.method!, url: `other${request.url!}`, headers: request.headers });
    serveFile(request, response);
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const port = (other.address() as AddressInfo).port;
  instead = (request, response) => {
    const { pathname } = new URL(request.url!, address);
    response.writeHead(307, { location: `http://127.0.0.1:${port}${pathname}` }).end();
    return true;
  };
  try {
    const model = `${httpModel().replace('//', '//user:p%40ss@')}?sig=secret`;
    const folder = await openFolder(model);
    expect(folder.location).toBe(`${address}/models/llama%202m`);
    const source = await openCheckpointFile(folder, 'config.json');
    await source!.read(0, source!.size);
    const [here, there] = [false, true].map((elsewhere) =>
      requests.filter(({ url }) => url.startsWith('other') === elsewhere),
    );
    expect(here).toHaveLength(2);
    for (const { headers, url } of here!) {
      expect(headers.authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
      expect(url).toBe('/models/llama%202m/config.json?sig=secret');
    }
    for (const { headers } of there!) expect(headers.authorization).toBeUndefined();
  } finally {
    other.closeAllConnections();
    await new Promise((resolve) => other.close(resolve));
  }
});

test('no message holds credentials', async () => {
  const model = `${address.replace('//', '//user:secret@')}/none/?sig=secret`;
  const errors = await Promise.all(
    [openCheckpoint(model), openTokenizer(model)].map((opening) =>
      opening.catch((error: unknown) => error as Error),
    ),
  );
  for (const error of errors)
    expect(JSON.stringify([error, (error as Error).message])).not.toContain('secret');
});

test('an object that is replaced between two reads is an error', async () => {
  const objects = await openObjects(s3Model());
  await objects.put('other.safetensors', [Buffer.alloc(2_000_000, 1)]);
  const source = await openCheckpointFile(await openFolder(s3Model()), 'other.safetensors');
  expect((await source!.read(1_000_000, 10))[0]).toBe(1);
  await objects.put('other.safetensors', [Buffer.alloc(2_000_000, 2)]);
  await expect(source!.read(1_000_000, 10)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('was replaced'),
  });
});

test('a signal ends a read, and names outside the folder are refused', async () => {
  for (const model of [httpModel(), s3Model()]) {
    const folder = await openFolder(model);
    const source = await openCheckpointFile(folder, FILE);
    await expect(source!.read(0, 1_000_000, AbortSignal.abort())).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await expect(source!.read(source!.size, 1)).rejects.toMatchObject({ kind: 'checkpoint' });
    for (const name of ['../config.json', 'a/b', '..', '']) {
      await expect(openCheckpointFile(folder, name)).rejects.toMatchObject({ kind: 'checkpoint' });
    }
    expect(await openCheckpointFile(folder, 'none')).toBeUndefined();
  }
});
