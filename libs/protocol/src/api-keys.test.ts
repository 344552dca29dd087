import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { apiKeys, readApiKeys } from './api-keys.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-keys-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

test('a request is accepted with any of the keys, whole, and with nothing else', () => {
  const keys = apiKeys(['alpha', 'beta']);
  expect(keys.accepts('Bearer alpha')).toBe(true);
  expect(keys.accepts('bearer  beta')).toBe(true);
  for (const bad of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer alph',
    'Bearer alphaa',
    'Basic alpha',
    'alpha',
    'Bearer alpha beta',
  ]) {
    expect(keys.accepts(bad)).toBe(false);
  }
});

test('a file has one key a line, empty lines and comments aside', async () => {
  const file = path.join(home, 'keys');
  await writeFile(file, '# of the web front\nalpha\n\n  beta  \r\n');
  const keys = await readApiKeys(file);
  expect(keys.accepts('Bearer beta')).toBe(true);
  expect(keys.accepts('Bearer #')).toBe(false);
});

test('a file that is missing, empty, or has a key with spaces is refused', async () => {
  await expect(readApiKeys(path.join(home, 'none'))).rejects.toMatchObject({ kind: 'usage' });
  const file = path.join(home, 'bad');
  for (const text of ['', '\n# none\n', 'two words\n']) {
    await writeFile(file, text);
    await expect(readApiKeys(file)).rejects.toMatchObject({ kind: 'usage' });
  }
});
