import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { openBucket, type Bucket } from './bucket.ts';
import { honoursConditions } from './conditions.ts';

const MIB = 1024 * 1024;

let server: S3Server;
let plain: S3Server;
let environment: NodeJS.ProcessEnv;
beforeAll(async () => {
  environment = { ...process.env };
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

let folder = 0;
/** An empty prefix of its own. */
function bucketAt(where: S3Server, text = `t${++folder}`): Bucket {
  return openBucket({ bucket: where.bucket, prefix: text });
}

async function readWhole(bucket: Bucket, key: string): Promise<Buffer | undefined> {
  const object = await bucket.open(key);
  if (object === undefined) return undefined;
  const bytes = Buffer.alloc(object.size);
  expect(await object.readInto(0, bytes)).toBe(true);
  return bytes;
}

/** Bytes that differ everywhere. */
function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i);
  return bytes;
}

test('what is put is there: nothing, a byte, several pieces, and an object in parts', async () => {
  const bucket = bucketAt(server);
  const large = pattern(40 * MIB + 5);
  await bucket.put('empty', []);
  await bucket.put('byte', [Uint8Array.of(7)]);
  await bucket.put('pieces', [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(3)]);
  await bucket.put('large', [large.subarray(0, 3), large.subarray(3, 40 * MIB), large.subarray(40 * MIB)]);
  expect(await readWhole(bucket, 'empty')).toEqual(Buffer.alloc(0));
  expect(await readWhole(bucket, 'byte')).toEqual(Buffer.of(7));
  expect(await readWhole(bucket, 'pieces')).toEqual(Buffer.of(1, 2, 3));
  expect((await readWhole(bucket, 'large'))!.equals(large)).toBe(true);
  expect(await bucket.size('large')).toBe(large.length);
  expect(await bucket.open('none')).toBeUndefined();
  expect(await bucket.size('none')).toBeUndefined();
  await bucket.delete(['byte', 'none']);
  expect(await bucket.open('byte')).toBeUndefined();
});

test('a range is read across what was fetched first, and a read beyond the end returns false', async () => {
  const bucket = bucketAt(server);
  const bytes = pattern(1 * MIB);
  await bucket.put('x', [bytes]);
  const object = (await bucket.open('x'))!;
  for (const [offset, length] of [
    [0, 10],
    [256 * 1024 - 5, 10],
    [256 * 1024, 10],
    [MIB - 10, 10],
    [MIB, 0],
  ] as const) {
    const target = Buffer.alloc(length);
    expect(await object.readInto(offset, target)).toBe(true);
    expect(target).toEqual(bytes.subarray(offset, offset + length));
  }
  expect(await object.readInto(MIB - 9, Buffer.alloc(10))).toBe(false);
});

test('an object that is replaced while it is read is an error, not a mixture', async () => {
  const bucket = bucketAt(server);
  await bucket.put('x', [pattern(MIB)]);
  const object = (await bucket.open('x'))!;
  await bucket.put('x', [Buffer.alloc(MIB)]);
  await expect(object.readInto(0, Buffer.alloc(MIB))).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining('was replaced'),
  });
});

test('lists go beyond a page of 1000 keys, and names stop at the next slash', async () => {
  const bucket = bucketAt(server, 'many');
  const keys = Array.from({ length: 1203 }, (_, i) => `list/${String(i).padStart(4, '0')}`);
  const disk = path.join(server.directory, server.bucket, 'many');
  await mkdir(path.join(disk, 'list'), { recursive: true });
  for (const key of keys) await writeFile(path.join(disk, `${key}._S3rver_object`), '1');
  await bucket.put('list/deep/x', [Uint8Array.of(1)]);
  const pages: string[][] = [];
  for await (const page of bucket.list('list/')) pages.push(page);
  expect(pages.length).toBeGreaterThan(1);
  expect(pages.flat().sort()).toEqual([...keys, 'list/deep/x'].sort());
  expect((await bucket.names('list/')).sort()).toEqual([...keys.map((key) => key.slice(5)), 'deep'].sort());
});

test('more than 1000 objects are removed in several requests', async () => {
  const bucket = bucketAt(server);
  await bucket.put('0001', [Uint8Array.of(1)]);
  await bucket.put('1100', [Uint8Array.of(1)]);
  await bucket.delete(Array.from({ length: 1203 }, (_, i) => String(i).padStart(4, '0')));
  expect(await bucket.names('')).toEqual([]);
  expect((await server.requests()).filter((line) => line.startsWith('POST'))).toHaveLength(2);
});

test('keys may hold anything that is text', async () => {
  const bucket = bucketAt(server, 'odd prefix+é');
  const keys = ["a b+c%20=&?#'~@,;:", 'ünï/日本', 'x.y_z-1'];
  for (const key of keys) await bucket.put(key, [Buffer.from(key)]);
  const pages: string[][] = [];
  for await (const page of bucket.list('')) pages.push(page);
  expect(pages.flat().sort()).toEqual([...keys].sort());
  for (const key of keys) expect((await readWhole(bucket, key))?.toString()).toBe(key);
  await bucket.delete(keys);
  expect(await bucket.names('')).toEqual([]);
});

test('a server that honours conditions is known, and so is one that does not', async () => {
  expect(await honoursConditions(bucketAt(server, 'probe'), 'p-')).toBe(true);
  process.env = { ...environment, ...plain.environment };
  expect(await honoursConditions(bucketAt(plain, 'probe'), 'p-')).toBe(false);
  for (const { directory, bucket } of [server, plain]) {
    expect(await readdir(path.join(directory, bucket))).not.toContain('probe');
  }
});

test('a conditional write happens only where the object is as it was seen', async () => {
  const bucket = bucketAt(server);
  const first = await bucket.putIf('x', Buffer.from('1'), undefined);
  expect(first).toBeDefined();
  expect(await bucket.putIf('x', Buffer.from('2'), undefined)).toBeUndefined();
  const second = await bucket.putIf('x', Buffer.from('2'), first);
  expect(second).toBeDefined();
  expect(await bucket.putIf('x', Buffer.from('3'), first)).toBeUndefined();
  expect(await bucket.putIf('none', Buffer.from('1'), first)).toBeUndefined();
  expect((await readWhole(bucket, 'x'))?.toString()).toBe('2');
});

test('a conditional write whose answer is lost knows its own work', async () => {
  const bucket = bucketAt(server);
  await server.fault({ method: 'PUT', url: '/x', times: 1, reset: 'after' });
  const first = await bucket.putIf('x', Buffer.from('1'), undefined);
  expect(first).toBeDefined();
  await server.fault({ method: 'PUT', url: '/x', times: 1, reset: 'after' });
  expect(await bucket.putIf('x', Buffer.from('2'), first)).toBeDefined();
  expect((await readWhole(bucket, 'x'))?.toString()).toBe('2');
});

test('of many that create an object, one does', async () => {
  const bucket = bucketAt(server);
  const writes = Array.from({ length: 12 }, (_, i) => bucket.putIf('x', Buffer.from(`${i}`), undefined));
  expect((await Promise.all(writes)).filter((etag) => etag !== undefined)).toHaveLength(1);
});

test('the age of an object is what the server says, whatever the clock here', async () => {
  const bucket = bucketAt(server, 'aged');
  await bucket.put('x', [Uint8Array.of(1)]);
  expect((await bucket.inspect('x'))!.age).toBeLessThan(5);
  const then = new Date(Date.now() - 100_000);
  await utimes(path.join(server.directory, server.bucket, 'aged/x._S3rver_object'), then, then);
  const { age } = (await bucket.inspect('x'))!;
  expect(age).toBeGreaterThan(98);
  expect(age).toBeLessThan(110);
  expect(await bucket.inspect('none')).toBeUndefined();
});

test('busy answers and lost connections are met with another try', async () => {
  const bucket = bucketAt(server);
  const bytes = pattern(4 * MIB);
  await server.fault(
    { method: 'PUT', url: '/x', times: 2, status: 503, code: 'SlowDown' },
    { method: 'GET', url: '/x', times: 1, reset: 'before' },
    { method: 'GET', url: '/x', times: 1, status: 500, code: 'InternalError' },
    { method: 'GET', url: '/x', times: 3, cutAfter: 200_000 },
  );
  await bucket.put('x', [bytes]);
  expect((await readWhole(bucket, 'x'))!.equals(bytes)).toBe(true);
});

test.each([
  ['before it is answered', { reset: 'before' }],
  ['in its body', { cutAfter: 1000 }],
  ['with an answer of a busy server', { status: 503, code: 'SlowDown' }],
] as const)(
  'a read that is always broken off %s is tried as often as AWS_MAX_ATTEMPTS says',
  async (_, fault) => {
    await bucketAt(server, 'tried').put('x', [pattern(MIB)]);
    process.env.AWS_MAX_ATTEMPTS = '3';
    const bucket = bucketAt(server, 'tried');
    const gets = async () => (await server.requests()).filter((line) => line.startsWith('GET')).length;
    const object = (await bucket.open('x'))!;
    await gets();
    await server.fault({ method: 'GET', url: '/x', times: 99, ...fault });
    await expect(bucket.open('x')).rejects.toThrow('cannot read s3://test-bucket/tried/x');
    expect(await gets()).toBe(3);
    await expect(object.readInto(0, Buffer.alloc(MIB))).rejects.toThrow(
      'cannot read s3://test-bucket/tried/x',
    );
    expect(await gets()).toBe(3);
  },
);

test('an upload in parts that fails leaves nothing, and one whose last answer is lost is done again', async () => {
  const bucket = bucketAt(server);
  const bytes = pattern(33 * MIB);
  await server.fault({ method: 'PUT', url: 'partNumber=2', times: 1, status: 403, code: 'AccessDenied' });
  await expect(bucket.put('x', [bytes])).rejects.toMatchObject({ kind: 'denied' });
  expect(await bucket.size('x')).toBeUndefined();
  expect((await server.requests()).filter((line) => /^DELETE .*uploadId/.test(line))).toHaveLength(1);
  await server.fault({ method: 'POST', url: 'uploadId', times: 1, status: 404, code: 'NoSuchUpload' });
  await bucket.put('x', [bytes]);
  expect((await readWhole(bucket, 'x'))!.equals(bytes)).toBe(true);
});

test.each<[string, Record<string, string>, object]>([
  [
    'wrong credentials',
    { AWS_ACCESS_KEY_ID: 'somebody' },
    {
      kind: 'denied',
      message: expect.stringContaining('InvalidAccessKeyId'),
      hint: expect.stringContaining('credentials'),
    },
  ],
  [
    'no credentials',
    { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' },
    {
      kind: 'denied',
      message: expect.stringContaining('no credentials'),
      hint: expect.stringContaining('AWS_ACCESS_KEY_ID'),
    },
  ],
])('%s: what was wrong and what to do', async (_, variables, error) => {
  process.env = { ...process.env, ...variables };
  await expect(bucketAt(server).put('x', [Uint8Array.of(1)])).rejects.toMatchObject(error);
});

test('an absent bucket is another error than an absent object', async () => {
  const bucket = openBucket({ bucket: 'no-such-bucket', prefix: 'x' });
  const absent = { kind: 'store', message: expect.stringContaining('no bucket no-such-bucket') };
  await expect(bucket.size('x')).rejects.toMatchObject(absent);
  await expect(bucket.open('x')).rejects.toMatchObject(absent);
  await expect(bucket.put('x', [])).rejects.toMatchObject(absent);
  await expect(bucket.names('')).rejects.toMatchObject(absent);
});

test('errors name another region, a refusal and a full server as what they are', async () => {
  const bucket = bucketAt(server);
  await server.fault({
    url: '/x',
    times: 1,
    status: 301,
    code: 'PermanentRedirect',
    headers: { 'x-amz-bucket-region': 'eu-west-1' },
  });
  await expect(bucket.open('x')).rejects.toMatchObject({
    kind: 'usage',
    hint: expect.stringContaining('eu-west-1'),
  });
  await server.fault({ url: '/x', times: 1, status: 403, code: 'AccessDenied' });
  await expect(bucket.open('x')).rejects.toMatchObject({
    kind: 'denied',
    hint: expect.stringContaining('s3:ListBucket'),
  });
  await server.fault({ url: '/x', times: 1, status: 507, code: 'InsufficientStorage' });
  await expect(bucket.put('x', [Uint8Array.of(1)])).rejects.toMatchObject({ kind: 'space' });
  process.env.AWS_MAX_ATTEMPTS = '2';
  await server.fault({ url: '/y', times: 9, status: 503, code: 'SlowDown' });
  await expect(bucketAt(server).put('y', [Uint8Array.of(1)])).rejects.toMatchObject({ kind: 'unavailable' });
});

test('a signal ends what is under way', async () => {
  const bucket = bucketAt(server);
  await bucket.put('x', [pattern(4 * MIB)]);
  const object = (await bucket.open('x'))!;
  const cancelled = { kind: 'cancelled' };
  await expect(object.readInto(0, Buffer.alloc(4 * MIB), AbortSignal.abort())).rejects.toMatchObject(
    cancelled,
  );
  await expect(bucket.put('y', [Uint8Array.of(1)], AbortSignal.abort())).rejects.toMatchObject(cancelled);
});

/** Begins an upload without a signature, which s3rver allows, and sends a part of it. */
async function beginUpload(key: string, bytes: number): Promise<void> {
  const url = `${server.environment.AWS_ENDPOINT_URL!}/${server.bucket}/${key}`;
  const begun = await (await fetch(`${url}?uploads`, { method: 'POST' })).text();
  const id = /<UploadId>(.*)<\/UploadId>/.exec(begun)![1]!;
  await fetch(`${url}?partNumber=1&uploadId=${id}`, { method: 'PUT', body: Buffer.alloc(bytes) });
}

test('uploads that were not completed are listed with their bytes, page by page, and can be ended', async () => {
  const bucket = bucketAt(server, 'open');
  await beginUpload('open/a/x', 1);
  await beginUpload('open/a/y', 20);
  await beginUpload('open/a/y', 300);
  await beginUpload('open/b', 4000);
  await bucket.put('a/complete', [pattern(17 * MIB)]);
  const bytes: [string, number][] = [];
  for await (const upload of bucket.uploads('a/')) {
    bytes.push([upload.key, await upload.bytes()]);
    await upload.abort();
    await upload.abort();
  }
  expect(bytes.map(([key]) => key)).toEqual(['a/x', 'a/y', 'a/y']);
  expect(bytes.map(([, size]) => size).sort((a, b) => a - b)).toEqual([1, 20, 300]);
  const left: string[] = [];
  for await (const upload of bucket.uploads('')) left.push(upload.key);
  expect(left).toEqual(['b']);
});

test('a server that cannot list uploads has none', async () => {
  const bucket = bucketAt(server);
  await server.fault({ method: 'GET', url: 'uploads', times: 1, status: 501, code: 'NotImplemented' });
  expect(await bucket.uploads('').next()).toMatchObject({ done: true });
});
