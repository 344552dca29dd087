import { execFileSync } from 'node:child_process';
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ObjectStore } from '../object-store.ts';
import { inTemporaryFolder } from '@esparse/laws';
import { onFile } from './errors.ts';
import { fileObjectStore } from './object-store.ts';

async function allOf(store: ObjectStore, folder: string): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  for await (const name of store.list(folder)) found[name] = [...((await store.get(name)) ?? [])];
  return found;
}

test('a reader sees the old object or the new one, never a part of either', async () => {
  await inTemporaryFolder(async (root) => {
    const store = fileObjectStore(root);
    const versions = [new Uint8Array(300_000).fill(1), new Uint8Array(500_000).fill(2)];
    await store.put('x', [versions[0]!]);
    let writing = true;
    const write = async (): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const version = versions[i % 2]!;
        await store.put('x', [version.subarray(0, 1000), version.subarray(1000)]);
      }
      writing = false;
    };
    const read = async (): Promise<void> => {
      while (writing) {
        const found = (await store.get('x'))!;
        const expected = versions[found[0]! - 1]!;
        expect(Buffer.compare(found, expected)).toBe(0);
      }
    };
    await Promise.all([write(), read()]);
  });
});

test('a put that fails leaves the old object and nothing else', async () => {
  await inTemporaryFolder(async (root) => {
    const store = fileObjectStore(root);
    await store.put('x', [Uint8Array.from([1])]);
    const unwritable = new Proxy(new Uint8Array(8), {
      get() {
        throw Object.assign(new Error('write failed'), { code: 'EIO' });
      },
    });
    await expect(store.put('x', [Uint8Array.from([2]), unwritable])).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining(path.join(root, 'x')),
    });
    expect([...(await store.get('x'))!]).toEqual([1]);
    expect(await readdir(root)).toEqual(['x']);
  });
});

test('what crashed writers left is no object, and is cleaned away', async () => {
  await inTemporaryFolder(async (root) => {
    const store = fileObjectStore(root);
    await store.put('x', [Uint8Array.from([1])]);
    await writeFile(path.join(root, '.esparse-tmp-123'), 'half');
    expect(await store.children('')).toEqual(['x']);
    expect(Object.keys(await allOf(store, ''))).toEqual(['x']);
    await store.cleanUp('');
    expect(await readdir(root)).toEqual(['x']);
  });
});

test('a link that leads out of the store is followed neither to read, nor to write, nor to remove', async () => {
  await inTemporaryFolder(async (outer) => {
    const root = path.join(outer, 'store');
    const outside = path.join(outer, 'outside');
    await mkdir(path.join(root, 'runs'), { recursive: true });
    await mkdir(path.join(outside, 'sub'), { recursive: true });
    await writeFile(path.join(outside, 'secret'), 'secret');
    await symlink(outside, path.join(root, 'runs/out'));
    await symlink(path.join(outside, 'secret'), path.join(root, 'runs/file'));
    const store = fileObjectStore(root);
    const refused = { kind: 'store', message: expect.stringContaining('leads out of the store') };
    await expect(store.get('runs/out/secret')).rejects.toMatchObject(refused);
    await expect(store.get('runs/file')).rejects.toMatchObject(refused);
    await expect(store.put('runs/out/new/x', [new Uint8Array(1)])).rejects.toMatchObject(refused);
    await expect(store.delete('runs/out/secret')).rejects.toMatchObject(refused);
    await expect(store.deletePrefix('runs/out/sub')).rejects.toMatchObject(refused);
    await store.deletePrefix('runs');
    expect((await readdir(outside)).sort()).toEqual(['secret', 'sub']);
  });
});

test('the root may itself be a link', async () => {
  await inTemporaryFolder(async (outer) => {
    await mkdir(path.join(outer, 'real'));
    await symlink(path.join(outer, 'real'), path.join(outer, 'link'));
    const store = fileObjectStore(path.join(outer, 'link'));
    await store.put('a/b', [new Uint8Array(2)]);
    expect(await store.size('a/b')).toBe(2);
  });
});

test('a pipe in the place of an object is refused without waiting for its other end', async () => {
  await inTemporaryFolder(async (root) => {
    execFileSync('mkfifo', [path.join(root, 'pipe')]);
    await expect(fileObjectStore(root).get('pipe')).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('not a regular file'),
    });
  });
});

test('an error of the system says what was tried, on what, what is wrong and what to do', async () => {
  const failing = (code: string) => () =>
    Promise.reject(Object.assign(new Error(`${code}: write`), { code, path: '/elsewhere' }));
  await expect(onFile('write', '/x/y', failing('EIO'))).rejects.toMatchObject({
    kind: 'store',
    message: 'cannot write /x/y: EIO: write',
    hint: undefined,
  });
  for (const [code, why, hint] of [
    ['EACCES', 'permission denied', 'permissions'],
    ['EROFS', 'read-only', 'mount it for writing'],
    ['ENOTDIR', 'a file is in the place of one of its folders', 'another place'],
  ] as const) {
    await expect(onFile('write', '/x/y', failing(code))).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringMatching(`^cannot write /x/y: .*${why}`),
      hint: expect.stringContaining(hint),
    });
  }
});

test('a full disk names the file, the bytes that it needs and those that are free', async () => {
  await inTemporaryFolder(async (root) => {
    const file = path.join(root, 'not there yet/x');
    const full = () => Promise.reject(Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' }));
    await expect(onFile('write', file, full, () => 4096)).rejects.toMatchObject({
      kind: 'space',
      message: expect.stringMatching(
        `^cannot write ${file}: no space left on the device \\(4096 bytes are needed, \\d+ bytes are free\\)$`,
      ),
    });
  });
});

test('the space that is free is known before the folder is there', async () => {
  await inTemporaryFolder(async (root) => {
    const free = await fileObjectStore(path.join(root, 'a/b')).free();
    expect(free).toBeGreaterThan(0);
    expect(await readdir(root)).toEqual([]);
  });
});

test('a file is no store, and says so to whoever reads or writes', async () => {
  await inTemporaryFolder(async (root) => {
    await writeFile(path.join(root, 'file'), 'x');
    const store = fileObjectStore(path.join(root, 'file'));
    const refused = {
      kind: 'store',
      message: expect.stringMatching(/file is a file, and a store is a folder/),
    };
    await expect(store.get('x')).rejects.toMatchObject(refused);
    await expect(store.children('')).rejects.toMatchObject(refused);
    await expect(store.put('x', [])).rejects.toMatchObject(refused);
    await expect(store.lock()).rejects.toMatchObject(refused);
    await expect(fileObjectStore(path.join(root, 'file/below')).put('x', [])).rejects.toMatchObject({
      message: expect.stringContaining('a file is in the place of one of its folders'),
    });
  });
});

test('flushing reaches from a folder up to the root, and reports a folder that is not there', async () => {
  await inTemporaryFolder(async (root) => {
    const store = fileObjectStore(path.join(root, 'made/on/demand'));
    await store.put('a/b/c', [new Uint8Array(1)], { durable: true });
    await store.sync(['a/b', '']);
    await expect(store.sync(['absent'])).rejects.toMatchObject({ kind: 'store' });
    expect((await stat(path.join(root, 'made/on/demand/a/b/c'))).size).toBe(1);
  });
});
