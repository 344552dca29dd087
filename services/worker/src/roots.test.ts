import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { guardRoots } from './roots.ts';

let home: string;
beforeEach(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-roots-')));
  await mkdir(path.join(home, 'served/model'), { recursive: true });
  await mkdir(path.join(home, 'served-not'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

test('a path under a root is opened, and so is the root itself', async () => {
  const guard = await guardRoots([path.join(home, 'served')]);
  await expect(guard('model', path.join(home, 'served/model'))).resolves.toBe(
    path.join(home, 'served/model'),
  );
  await expect(guard('store', path.join(home, 'served'))).resolves.toBe(path.join(home, 'served'));
});

test.each([
  ['a sibling whose name begins like the root', (h: string) => path.join(h, 'served-not')],
  ['a path that climbs out', (h: string) => `${h}/served/../served-not`],
  ['a relative path', () => 'served/model'],
  ['a path that does not exist', (h: string) => path.join(h, 'served/none')],
  ['a null byte', (h: string) => `${h}/served\0`],
  ['an endless path', (h: string) => `${h}/${'served/'.repeat(2000)}`],
])('%s is refused', async (_, requested) => {
  const guard = await guardRoots([path.join(home, 'served')]);
  await expect(guard('model', requested(home))).rejects.toMatchObject({ kind: 'denied' });
});

test('a symbolic link that leads out of the root is refused', async () => {
  await symlink(path.join(home, 'served-not'), path.join(home, 'served/link'));
  const guard = await guardRoots([path.join(home, 'served')]);
  await expect(guard('model', path.join(home, 'served/link'))).rejects.toMatchObject({ kind: 'denied' });
});

test('a root that does not exist is an error at start', async () => {
  await expect(guardRoots([path.join(home, 'none')])).rejects.toMatchObject({ kind: 'usage' });
});

test('places in a bucket and on a server are opened below their roots only, in their one form', async () => {
  const guard = await guardRoots([path.join(home, 'served'), 's3://bucket/stores/', 'https://host/models']);
  await expect(guard('store', 's3://bucket/stores/a/')).resolves.toBe('s3://bucket/stores/a');
  await expect(guard('model', 'https://host/models/llama?sig=1')).resolves.toBe(
    'https://host/models/llama/?sig=1',
  );
  for (const requested of [
    's3://bucket/stores-2',
    's3://bucket',
    's3://other/stores/a',
    's3://bucket/stores/../x',
    's3://bucket/stores//x',
    's3://',
    'S3://bucket/stores/a',
    'http://host/models/llama',
    'https://host.evil/models/llama',
    'https://host/models/%2e%2e/other',
    'https://host/models/..%2fother',
    'https://host@evil/models/llama',
    'file:///etc',
  ]) {
    await expect(guard('model', requested)).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining('does not serve the model'),
    });
  }
});

test('a refusal does not repeat the credentials of what was asked for', async () => {
  const guard = await guardRoots([home]);
  await expect(guard('model', 'https://user:secret@host/a?sig=secret')).rejects.toMatchObject({
    message: 'this worker does not serve the model https://host/a',
  });
});

test('a worker whose roots are remote serves no path of its machine', async () => {
  const guard = await guardRoots(['s3://bucket']);
  await expect(guard('store', home)).rejects.toMatchObject({ kind: 'denied' });
});

test('a root that cannot be read as a location is an error at start', async () => {
  await expect(guardRoots(['s3://Bad_Bucket'])).rejects.toMatchObject({ kind: 'usage' });
});
