import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { showLive } from '../support/live.ts';
import { objectsOf } from '../support/objects.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
const environment = { ...process.env };
let s3: S3Server;
let web: Server;
let models: string;
/** What a run in a folder leaves. */
let whole: Record<string, string>;
beforeAll(async () => {
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment);
  web = createServer((request, response) => {
    void sendRange(request.url!, request.headers.range, request.method === 'HEAD').then(
      ({ status, headers, body }) => {
        response.writeHead(status, headers);
        if (body === undefined) response.end();
        else body.pipe(response);
      },
    );
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  await esparseJson('prune', ...options(at('folder')));
  whole = await contentsOf(at('folder'));
  models = `http://127.0.0.1:${(web.address() as AddressInfo).port}/models`;
});
afterAll(async () => {
  process.env = environment;
  web.closeAllConnections();
  await Promise.all([new Promise((resolve) => web.close(resolve)), s3.stop()]);
});
beforeEach(() => s3.fault());

/** The example model as a server of static files gives it. */
async function sendRange(url: string, range: string | undefined, head: boolean) {
  const file = path.join(EXAMPLE_MODEL, path.posix.basename(new URL(url, 'http://host').pathname));
  const found = await stat(file).catch(() => undefined);
  if (found?.isFile() !== true) return { status: 404, headers: {}, body: undefined };
  const etag = `"${found.mtimeMs}-${found.size}"`;
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (head || from === undefined)
    return { status: 200, headers: { etag, 'content-length': found.size }, body: undefined };
  const headers = {
    etag,
    'content-range': `bytes ${from}-${to!}/${found.size}`,
    'content-length': Number(to) - Number(from) + 1,
  };
  return { status: 206, headers, body: createReadStream(file, { start: Number(from), end: Number(to) }) };
}

const store = (name: string) => `s3://${s3.bucket}/stores/${name}`;
const SMALL = ['--calibration', EXAMPLE_CALIBRATION, '--samples', '4', '--seqlen', '32'];
const options = (where: string, model = EXAMPLE_MODEL) => [...SMALL, '--model', model, '--store', where];

test('a run that was killed goes on at once, and ends with the same objects', async () => {
  const args = ['prune', ...options(store('killed')), '--json'];
  const killed = await esparseUntil(
    (line) => line.includes('"committed"') && line.includes('"block":2'),
    ...args,
  );
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const { stdout, code } = await esparse(...args);
  expect(code).toBe(0);
  expect(stdout).toContain('going on after block');
  expect(await objectsOf(store('killed'))).toEqual(whole);
});

test('a worker elsewhere reads and writes the bucket, and opens checkpoints of a server below its roots only', async () => {
  let address = '';
  const worker = await esparseUntil(
    (line) => {
      if (line.startsWith('{')) address = (JSON.parse(line) as { address?: string }).address ?? '';
      return address !== '';
    },
    ...['worker', '--listen', '127.0.0.1:0', '--root', `s3://${s3.bucket}/stores`, '--root', models],
  );
  try {
    const model = `${models.replace('//', '//user:secret@')}/llama-2m?sig=secret`;
    const { code, stdout, stderr } = await esparse(
      'prune',
      ...options(store('remote'), model),
      '--worker',
      address,
      '--json',
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).not.toContain('secret');
    expect(await objectsOf(store('remote'))).toEqual(whole);
    const elsewhere = await esparse(
      'prune',
      ...options(`s3://${s3.bucket}/other`, model),
      '--worker',
      address,
    );
    expect(elsewhere.code).toBe(2);
    expect(elsewhere.stderr).toMatch(/does not serve the store s3:\/\/test-bucket\/other/);
  } finally {
    worker.kill('SIGTERM');
    await once(worker, 'exit');
  }
});

test('a second pruner is refused: the message says who writes the store, and to try again', async () => {
  const args = ['prune', ...options(store('two')), '--json'];
  const first = await esparseUntil((line) => line.includes('"progress"'), ...args);
  const ended = once(first, 'exit');
  // It holds the lock and stands still, however long the second one takes to start.
  first.kill('SIGSTOP');
  try {
    const second = await esparse(...args);
    expect(second.code).toBe(75);
    expect(second.stderr).toContain(`is being written by process ${first.pid}`);
  } finally {
    first.kill('SIGINT');
    first.kill('SIGCONT');
    await ended;
  }
});

test.each<[string, string[], Record<string, string>, number, RegExp]>([
  [
    'a bucket that is not there',
    ['--store', 's3://no-such-bucket/x'],
    {},
    2,
    /has no bucket no-such-bucket[\s\S]*AWS_ENDPOINT_URL/,
  ],
  ['a prefix without a store', ['--store', 's3://test-bucket/nothing'], {}, 2, /is not an esparse store/],
  [
    'an address without a bucket',
    ['--store', 's3:///x'],
    {},
    2,
    /names no bucket[\s\S]*s3:\/\/BUCKET\/PREFIX/,
  ],
  [
    'a server that is not there',
    ['--store', 's3://test-bucket/x'],
    { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_MAX_ATTEMPTS: '2' },
    75,
    /cannot be reached[\s\S]*ECONNREFUSED[\s\S]*AWS_ENDPOINT_URL/,
  ],
  [
    'credentials that are refused',
    ['--store', 's3://test-bucket/x'],
    { AWS_ACCESS_KEY_ID: 'somebody' },
    2,
    /refuses it \(InvalidAccessKeyId\)[\s\S]*credentials/,
  ],
])('%s is reported, with what to do', async (_, args, variables, code, words) => {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    const outcome = await esparse('inspect', ...args);
    expect(outcome.stderr).toMatch(words);
    expect(outcome.stderr).not.toContain('secret');
    expect(outcome.code).toBe(code);
  } finally {
    process.env = before;
  }
});

test('a run in a bucket is shown while it goes on in another process, and when it has ended', async () => {
  const first = await esparseUntil(
    (line) => line.includes('"committed"') && line.includes('"block":1'),
    ...['prune', ...options(store('shown')), '--json'],
  );
  const ended = once(first, 'exit');
  // It stands still for as long as the page takes to start.
  first.kill('SIGSTOP');
  const live = await showLive('--store', store('shown'));
  try {
    const before = await live.state(({ blocks }) => blocks[0]?.committed !== undefined);
    expect(before.state).toBe('running');
    expect(before.blocks.at(-1)!.committed).toBeUndefined();
    expect(before.blocks[0]!.linears[0]).toMatchObject({
      linear: 'q_proj',
      outputError: expect.any(Number),
    });
    await expect((await fetch(new URL('report', live.url))).text()).resolves.toMatch(
      /as far as it is \([123] of 4 blocks\)/,
    );
    first.kill('SIGCONT');
    await expect(ended).resolves.toEqual([0, null]);
    const after = await live.state(({ state }) => state === 'finished');
    expect(after.blocks.map(({ committed }) => committed !== undefined)).toEqual([true, true, true, true]);
    expect(after.started!.time <= after.blocks[0]!.committed!.time).toBe(true);
    expect(after.log.filter(({ text }) => /cannot|damaged/.test(text))).toEqual([]);
  } finally {
    first.kill('SIGCONT');
    await expect(live.stop()).resolves.toBe(0);
  }
  const again = await showLive('--store', store('shown'));
  try {
    const { started, blocks } = await again.state(({ state }) => state === 'finished');
    expect([started!.model, blocks.length]).toEqual(['llama-2m', 4]);
  } finally {
    await expect(again.stop()).resolves.toBe(0);
  }
});

test('the report of a store in a bucket is that of the same store in a folder, but for its place', async () => {
  await esparseJson('prune', ...options(store('reported')));
  const pages = await Promise.all(
    [store('reported'), at('folder')].map(async (place, i) => {
      const out = at(`report-${i}.html`);
      await expect(esparseJson('report', '--store', place, '--out', out)).resolves.toMatchObject({
        damage: [],
      });
      return (await readFile(out, 'utf8')).replaceAll(place, 'PLACE');
    }),
  );
  expect(pages[0]).toBe(pages[1]);
});
