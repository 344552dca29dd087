import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openFolder } from '../open.ts';

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-folder-'));
  await writeFile(path.join(home, 'secret'), 'secret');
});
afterAll(() => rm(home, { recursive: true, force: true }));

/** What a file of a folder holds; undefined where there is none. */
async function textOf(folder: string, name: string): Promise<string | undefined> {
  const file = await (await openFolder(folder)).open(name);
  if (file === undefined) return undefined;
  const bytes = Buffer.alloc(file.size);
  await file.readInto(0, bytes);
  await file.close();
  return bytes.toString();
}

test('a link out of a folder is refused with where it leads; one within it, and a folder that is one, are followed', async () => {
  const folder = path.join(home, 'model');
  await mkdir(folder);
  await writeFile(path.join(folder, 'config.json'), '{}');
  await symlink('config.json', path.join(folder, 'same.json'));
  await symlink('../secret', path.join(folder, 'out.json'));
  await symlink('nowhere', path.join(folder, 'broken.json'));
  await symlink(folder, path.join(home, 'linked'));
  for (const at of [folder, path.join(home, 'linked')]) {
    expect(await textOf(at, 'same.json')).toBe('{}');
    expect(await textOf(at, 'broken.json')).toBeUndefined();
    await expect(textOf(at, 'out.json')).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringMatching(/out\.json is a link that leads out of its folder, to .*secret$/),
    });
  }
});

test('a snapshot in the cache of huggingface_hub has its files among the blobs of the same model, and no others', async () => {
  const model = path.join(home, 'hub/models--org--name');
  const snapshot = path.join(model, 'snapshots/0123');
  await mkdir(path.join(model, 'blobs'), { recursive: true });
  await mkdir(snapshot, { recursive: true });
  await mkdir(path.join(home, 'hub/models--org--other/blobs'), { recursive: true });
  await writeFile(path.join(model, 'blobs/abc'), '{"mine":1}');
  await writeFile(path.join(home, 'hub/models--org--other/blobs/abc'), '{}');
  await symlink('../../blobs/abc', path.join(snapshot, 'config.json'));
  await symlink('../../../models--org--other/blobs/abc', path.join(snapshot, 'other.json'));
  expect(await textOf(snapshot, 'config.json')).toBe('{"mine":1}');
  await expect(textOf(snapshot, 'other.json')).rejects.toMatchObject({ kind: 'store' });
});
