import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { nameOfLocation, parseLocation, resolveLocation, showLocation } from './location.ts';

test('a text without a scheme is a folder, as it is written', () => {
  for (const text of ['out/llama.zarr', '/a b/c', 'C:\\models', '..', 'a:b', 's3', 'weird?#%2f']) {
    expect(parseLocation(text)).toMatchObject({ scheme: 'file', text });
  }
});

test('a place in a bucket has one form', () => {
  const place = { scheme: 's3', text: 's3://my-bucket/runs/llama 1+x?' };
  expect(parseLocation('s3://my-bucket/runs/llama 1+x?')).toMatchObject(place);
  expect(parseLocation('s3://my-bucket/runs/llama 1+x?/')).toMatchObject(place);
  expect(parseLocation('s3://my-bucket/').text).toBe('s3://my-bucket');
});

test('a place on a server has one form, and keeps its credentials', () => {
  const text = parseLocation('https://u:p@host.example:443/models/llama?sig=1#x').text;
  expect(text).toBe('https://u:p@host.example/models/llama/?sig=1');
  expect(parseLocation(text).text).toBe(text);
});

test.each([
  's3://',
  's3:///x',
  'S3://bucket/x',
  's3:/bucket/x',
  's3:bucket',
  's3://Bucket/x',
  's3://b/x',
  's3://bucket//x',
  's3://bucket/x//',
  's3://bucket/x/../y',
  's3://bucket/./x',
  's3://bucket/x\\y',
  's3://bucket/x\n',
  's3://user:secret@bucket/x',
  'gs://bucket/x',
  'file:///x',
  'https:/host/x',
  'https://',
  'https://host/a//b',
  'https://host/a/../b',
  'https://host/a/%2E%2e/b',
  'https://host/a%2fb',
  'https://host/a%5Cb',
  'https://host/a\\b',
  'https://host/%ff',
  'HTTPS://host/x',
  'https://user:secret@/x',
])('%s is refused, without its credentials', (text) => {
  const refused = expect.objectContaining({
    kind: 'usage',
    message: expect.not.stringContaining('secret'),
  }) as Error;
  expect(() => parseLocation(text)).toThrow(refused);
});

test('a prefix that leaves no room for keys is refused, and so is an endless location', () => {
  for (const length of [513, 5000]) {
    expect(() => parseLocation(`s3://bucket/${'x'.repeat(length)}`)).toThrow(
      /more than 512|longer than 4096/,
    );
  }
});

test('people are shown no user, password or query', () => {
  expect(showLocation('https://user:pw@host/a/?sig=secret')).toBe('https://host/a/');
  expect(showLocation('https://us@er:p@w@host/a')).toBe('https://host/a');
  expect(showLocation('s3://key:secret@bucket/a')).toBe('s3://bucket/a');
  expect(showLocation('s3://bucket/a?b')).toBe('s3://bucket/a?b');
  expect(showLocation('/folder/a@b?c')).toBe('/folder/a@b?c');
});

test('a location lies below a root only where every part of the root is its own', () => {
  const within = (root: string, text: string) => parseLocation(root).contains(parseLocation(text));
  expect(within('s3://bucket/a', 's3://bucket/a')).toBe(true);
  expect(within('s3://bucket/a', 's3://bucket/a/b')).toBe(true);
  expect(within('s3://bucket', 's3://bucket/a')).toBe(true);
  expect(within('https://host/a', 'https://host/a/b')).toBe(true);
  expect(within('https://host/a', 'https://user@host/a?x')).toBe(true);
  expect(within('/a', '/a/..b')).toBe(true);
  for (const [root, text] of [
    ['s3://bucket/a', 's3://bucket/ab'],
    ['s3://bucket/a', 's3://bucket'],
    ['s3://bucket/a', 's3://bucket-2/a'],
    ['https://host/a', 'https://host/ab'],
    ['https://host/a', 'http://host/a'],
    ['https://host/a', 'https://host:8443/a'],
    ['https://host/a', 'https://host.evil/a'],
    ['/a', '/ab'],
    ['/a', '/'],
    ['/', 's3://bucket/a'],
  ] as const) {
    expect(within(root, text)).toBe(false);
  }
});

test('a location has a name', () => {
  expect(nameOfLocation('s3://bucket/models/Llama-2/')).toBe('Llama-2');
  expect(nameOfLocation('s3://bucket')).toBe('bucket');
  expect(nameOfLocation('https://host/models/Llama%202/?x')).toBe('Llama 2');
  expect(nameOfLocation('https://host/org/Llama-2/resolve/main')).toBe('Llama-2');
  expect(nameOfLocation('https://host')).toBe('host');
  expect(nameOfLocation('/models/Llama-2/')).toBe('Llama-2');
});

test('a folder is resolved to its real path, anything else to its one form', async () => {
  const home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-location-')));
  try {
    await mkdir(path.join(home, 'real'));
    await symlink(path.join(home, 'real'), path.join(home, 'link'));
    expect(await resolveLocation(path.join(home, 'link'))).toBe(path.join(home, 'real'));
    await expect(resolveLocation(path.join(home, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await resolveLocation('s3://bucket/a/')).toBe('s3://bucket/a');
  } finally {
    await rm(home, { recursive: true });
  }
});
