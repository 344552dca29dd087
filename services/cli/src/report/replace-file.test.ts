import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { replaceFile } from './replace-file.ts';

let home: string;
beforeAll(async () => (home = await mkdtemp(path.join(tmpdir(), 'esparse-replace-'))));
afterAll(() => rm(home, { recursive: true, force: true }));

const { signal } = new AbortController();

test('a file takes the place of one that is there', async () => {
  const file = path.join(home, 'report.html');
  await replaceFile(file, 'old', signal);
  expect(await replaceFile(file, 'new …', signal)).toBe(7);
  expect(await readFile(file, 'utf8')).toBe('new …');
});

test.each(['', 'nowhere/report.html'])(
  'where nothing can be written, %p, it says so and leaves nothing',
  async (name) => {
    const before = await readdir(home);
    await expect(replaceFile(path.join(home, name), 'text', signal)).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('cannot be written'),
    });
    expect(await readdir(home)).toEqual(before);
  },
);

test('stopped, it leaves what was there', async () => {
  const file = path.join(home, 'stopped.html');
  await replaceFile(file, 'old', signal);
  await expect(replaceFile(file, 'new', AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
  expect(await readFile(file, 'utf8')).toBe('old');
});
