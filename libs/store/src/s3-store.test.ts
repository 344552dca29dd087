import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readlink, rename, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { openObjects, type ObjectStore } from '@esparse/storage';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { collectGarbage } from './collect-garbage.ts';
import { createOrOpenStore, openStore } from './store.ts';
import { SAMPLE_ATTRIBUTES, writeSampleRun } from './testing/sample-run.ts';

let server: S3Server;
let plain: S3Server;
const environment = { ...process.env };
beforeAll(async () => {
  [server, plain] = await Promise.all([startS3Server(), startS3Server({ conditional: false })]);
});
afterAll(async () => {
  process.env = environment;
  await Promise.all([server.stop(), plain.stop()]);
});
beforeEach(async () => {
  process.env = { ...environment, ...server.environment };
  await server.fault();
  await server.requests();
});

let made = 0;
const place = () => `s3://test-bucket/lease/${++made}`;
/** The lease of a place, as a file of the server. */
const leaseFile = (at: string, { directory } = server) =>
  path.join(directory, at.slice('s3://'.length), '.esparse-writer.json._S3rver_object');
/** The URL of a key, by which tests write what the store itself would refuse. */
const urlOf = (at: string, key: string) =>
  `${server.environment.AWS_ENDPOINT_URL!}/${at.slice('s3://'.length)}/${key}`;
const put = (objects: ObjectStore, key: string, text: string) => objects.put(key, [Buffer.from(text)]);

/** A process that is there until it is killed. */
async function withProcess<T>(use: (child: ChildProcess) => Promise<T>): Promise<T> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  try {
    await once(child, 'spawn');
    return await use(child);
  } finally {
    await kill(child);
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** Writes the lease of a process, as it would itself. */
async function leaseOf(at: string, owner: { pid: number; host?: string; machine?: string }): Promise<void> {
  const machine = `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}/${await readlink('/proc/self/ns/pid')}`;
  const lease = {
    host: hostname(),
    machine,
    since: '2024-05-06T07:08:09.000Z',
    token: '00000000-0000-4000-8000-000000000000',
    beat: 3,
    ...owner,
  };
  // The lease is no object of the store, so it is put beside it.
  await put(
    await openObjects(path.posix.dirname(at)),
    `${path.posix.basename(at)}/lease`,
    JSON.stringify(lease),
  );
  const stored = path.join(server.directory, at.slice('s3://'.length));
  for (const suffix of ['object', 'object.md5', 'metadata.json']) {
    await rename(
      path.join(stored, `lease._S3rver_${suffix}`),
      path.join(stored, `.esparse-writer.json._S3rver_${suffix}`),
    );
  }
}

test('a second writer is refused, naming the first; when that has closed, nothing of it is left', async () => {
  const at = place();
  const first = await (await createOrOpenStore(at)).beginRun('a1', {});
  expect(first.caution).toBeUndefined();
  await expect((await createOrOpenStore(at)).beginRun('a2', {})).rejects.toMatchObject({
    kind: 'locked',
    message: expect.stringContaining(`process ${process.pid} on host ${hostname()}`),
    hint: expect.stringContaining('60 s'),
  });
  await first.close();
  await (await (await createOrOpenStore(at)).beginRun('a2', {})).close();
  await expect(readFile(leaseFile(at))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('of several writers that begin at once, one does', async () => {
  const at = place();
  const stores = await Promise.all(Array.from({ length: 4 }, () => createOrOpenStore(at)));
  const begun = await Promise.allSettled(stores.map((store) => store.beginRun('a1', {})));
  const won = begun.filter((result) => result.status === 'fulfilled');
  expect(won).toHaveLength(1);
  await won[0]!.value.close();
});

test('the lease of a process that was killed on this machine is taken at once, that of a living one is not', async () => {
  await withProcess(async (child) => {
    const at = place();
    const store = await createOrOpenStore(at);
    await leaseOf(at, { pid: child.pid! });
    await expect(store.beginRun('a1', {})).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringContaining(`process ${child.pid}`),
    });
    await kill(child);
    await (await store.beginRun('a1', {})).close();
  });
});

test('a process number says nothing of another machine, be its name the same: its lease holds until it expires', async () => {
  const at = place();
  const store = await createOrOpenStore(at);
  const dead = 2 ** 22 - 1;
  await leaseOf(at, { pid: dead, machine: 'another boot' });
  await expect(store.beginRun('a1', {})).rejects.toMatchObject({ kind: 'locked' });
  const old = new Date(Date.now() - 61_500);
  await utimes(leaseFile(at), old, old);
  await (await store.beginRun('a1', {})).close();
});

test('a lease that nobody can read is held until it expires', async () => {
  const at = place();
  const store = await createOrOpenStore(at);
  await leaseOf(at, { pid: -1 });
  await expect(store.beginRun('a1', {})).rejects.toMatchObject({
    kind: 'locked',
    message: expect.stringContaining('another process'),
  });
});

describe('with the clock in hand', () => {
  const real = ['setImmediate', 'nextTick', 'setTimeout', 'queueMicrotask'] as const;
  afterEach(() => jest.useRealTimers());

  test('a lease is renewed, and one that another has taken is lost and left to it', async () => {
    jest.useFakeTimers({ doNotFake: [...real, 'Date', 'performance'] });
    const at = place();
    const lease = await (await openObjects(at)).lock();
    const before = await readFile(leaseFile(at), 'utf8');
    jest.advanceTimersByTime(10_000);
    await until(async () => (await readFile(leaseFile(at), 'utf8')) !== before);
    expect(lease.lost).toBeUndefined();

    await leaseOf(at, { pid: 1, host: 'elsewhere', machine: 'elsewhere' });
    await until(() => {
      jest.advanceTimersByTime(10_000);
      return Promise.resolve(lease.lost !== undefined);
    });
    expect(lease.lost).toMatchObject({
      kind: 'locked',
      message: expect.stringContaining('taken by process 1 on host elsewhere'),
    });
    await lease.release();
    expect(await readFile(leaseFile(at), 'utf8')).toContain('elsewhere');
  });

  test('a writer that cannot renew its lease stops before anybody may take it', async () => {
    jest.useFakeTimers({ doNotFake: [...real] });
    const at = place();
    const writer = await (await createOrOpenStore(at)).beginRun('a1', {});
    const block = writer.beginBlock(0);
    await block.putArray('x', { data: new Uint8Array(1), shape: [1] });
    jest.setSystemTime(Date.now() + 44_000);
    await block.putArray('y', { data: new Uint8Array(1), shape: [1] });
    jest.setSystemTime(Date.now() + 2000);
    await expect(block.commit({})).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringContaining('could not be renewed in time'),
    });
    await writer.close();
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(setImmediate);
}

test('of two writers that both take themselves for the only one, one commits', async () => {
  const at = place();
  const first = await (await createOrOpenStore(at)).beginRun('a1', SAMPLE_ATTRIBUTES);
  await leaseOf(at, { pid: 2 ** 22 - 1 });
  const second = await (await createOrOpenStore(at)).beginRun('a1', SAMPLE_ATTRIBUTES);
  const blocks = [first.beginBlock(0), second.beginBlock(0)];
  for (const block of blocks) await block.putArray('x', { data: new Uint8Array(1), shape: [1] });
  const commits = await Promise.allSettled(blocks.map((block) => block.commit({})));
  expect(commits.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(commits.find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { kind: 'locked', message: expect.stringContaining('blocks/0/zarr.json') },
  });
  const block = await (await (await openStore(at)).openRun('a1')).block(0);
  expect((await block.read('x')).data).toEqual(new Uint8Array(1));
  await Promise.all([first.close(), second.close()]);
});

test('a run that was made current since is not replaced by a writer that began before', async () => {
  const at = place();
  const store = await createOrOpenStore(at);
  await writeSampleRun(store, 'a0');
  const late = await store.beginRun('a1', SAMPLE_ATTRIBUTES);
  await late.beginDense().commit({});
  await leaseOf(at, { pid: 2 ** 22 - 1 });
  await writeSampleRun(await createOrOpenStore(at), 'a2');
  await expect(late.finish({ blocks: 0 })).rejects.toMatchObject({
    kind: 'locked',
    message: expect.stringContaining('written current meanwhile'),
  });
  expect(await store.current()).toBe('a2');
  await late.close();
});

test('where conditions are ignored, the writer is warned, a second one is refused all the same, and runs are written', async () => {
  process.env = { ...environment, ...plain.environment };
  const at = place();
  const store = await createOrOpenStore(at);
  const writer = await store.beginRun('a1', SAMPLE_ATTRIBUTES);
  expect(writer.caution).toMatch(/ignores conditional writes/);
  await expect((await createOrOpenStore(at)).beginRun('a2', {})).rejects.toMatchObject({ kind: 'locked' });
  await writer.close();
  const run = await writeSampleRun(store, 'a1');
  expect(await run.verify()).toEqual([]);
  const begun = await Promise.allSettled([
    store.beginRun('a1', SAMPLE_ATTRIBUTES),
    store.beginRun('a1', SAMPLE_ATTRIBUTES),
  ]);
  const won = begun.filter((result) => result.status === 'fulfilled');
  expect(won).toHaveLength(1);
  await won[0]!.value.close();
});

test('a commit is the last request that writes into a block', async () => {
  const at = place();
  const writer = await (await createOrOpenStore(at)).beginRun('a1', {});
  const block = writer.beginBlock(0);
  await block.putArray('q_proj/values', { data: new Uint16Array(4), shape: [4] });
  await block.putArray('up', { data: new Uint16Array(4), shape: [4] });
  await block.commit({});
  const puts = (await server.requests()).filter(
    (line) => line.startsWith('PUT') && line.includes('/blocks/0/'),
  );
  expect(puts).toHaveLength(6);
  expect(puts.at(-1)).toMatch(/blocks\/0\/zarr\.json/);
  await writer.close();
});

test('an array that is larger than a request comes back as it was, and damage to it is found', async () => {
  const at = place();
  const writer = await (await createOrOpenStore(at)).beginRun('a1', {});
  const data = Float32Array.from({ length: 5_000_000 }, (_, i) => i);
  await writer.run.hidden.write(0, 0, { data, shape: [1, 1, data.length] });
  const stored = await writer.run.hidden.read(0, 0);
  expect(Buffer.from(stored.data.buffer).equals(Buffer.from(data.buffer))).toBe(true);
  await writer.run.hidden.write(0, 1, { data: data.subarray(0, 10), shape: [1, 1, 10] });
  const objects = await openObjects(at);
  await objects.put('runs/a1/hidden/0/1/c/0/0/0', [Buffer.alloc(44)]);
  await expect(writer.run.hidden.read(0, 1)).rejects.toMatchObject({
    message: expect.stringContaining('checksum'),
  });
  expect(await writer.run.hidden.shards(0)).toEqual([0, 1]);
  await writer.run.hidden.removeBefore(1);
  expect(await writer.run.hidden.shards(0)).toEqual([]);
  await writer.close();
});

test('what a person put into the store is passed over, or removed with its folder', async () => {
  const at = place();
  const store = await createOrOpenStore(at);
  const run = await writeSampleRun(store, 'a1');
  for (const key of ['blocks/0/an odd one+%é', 'my notes.txt'])
    await fetch(urlOf(at, `runs/a1/${encodeURIComponent(key)}`), { method: 'PUT', body: 'x' });
  expect((await run.verify()).map(({ severity, object }) => [severity, object])).toEqual([
    ['warning', 'runs/a1/blocks/0/an odd one+%é'],
    ['warning', 'runs/a1/my notes.txt'],
  ]);
  await store.objects.deletePrefix('runs/a1');
  expect(await store.objects.children('runs')).toEqual(['zarr.json']);
});

test('a prefix with other things in it does not become a store, and one without a store is none', async () => {
  const at = place();
  await put(await openObjects(at), 'thesis.tex', 'x');
  await expect(createOrOpenStore(at)).rejects.toMatchObject({
    kind: 'store',
    hint: expect.stringContaining('thesis.tex'),
  });
  await expect(openStore(place())).rejects.toMatchObject({
    message: expect.stringContaining('not an esparse store'),
  });
  await expect(openStore('https://host/x')).rejects.toMatchObject({ kind: 'usage' });
});

test('garbage is also what uploads of runs left that nobody completed, and nothing else of the bucket', async () => {
  const at = place();
  await writeSampleRun(await createOrOpenStore(at));
  const begin = async (key: string) => {
    const url = urlOf(at, key);
    const begun = await (await fetch(`${url}?uploads`, { method: 'POST' })).text();
    const id = /<UploadId>(.*)<\/UploadId>/.exec(begun)![1]!;
    await fetch(`${url}?partNumber=1&uploadId=${id}`, { method: 'PUT', body: 'twelve bytes' });
  };
  const run = `runs/${'ab'.repeat(16)}`;
  await begin(`${run}/blocks/7/q/values/c/0`);
  await begin('elsewhere');
  const found = {
    garbage: [{ kind: 'temporary', object: `${run}/blocks/7/q/values/c/0`, bytes: 12 }],
    damaged: [],
  };
  const store = await openStore(at);
  expect(await collectGarbage(store, { dryRun: true })).toEqual(found);
  expect(await collectGarbage(store)).toEqual(found);
  expect(await collectGarbage(store)).toEqual({ garbage: [], damaged: [] });
  const left: string[] = [];
  for await (const { object } of store.objects.temporaries(false, '')) left.push(object);
  expect(left).toEqual(['elsewhere']);
});
