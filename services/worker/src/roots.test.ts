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
