import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { inTemporaryFolder } from '@esparse/laws';
import { lockWriter } from './lock.ts';
import { fileObjectStore } from './object-store.ts';

/** Takes the lock as another process does, by the names on disk only, and waits to be killed. */
const HOLDER = `
const fs = require('node:fs');
const root = process.argv[1];
fs.mkdirSync(root + '/.esparse-writer.lock');
const owner = { pid: process.pid, host: require('node:os').hostname(), since: '2024-05-06T07:08:09.000Z' };
fs.writeFileSync(root + '/.esparse-writer.json', JSON.stringify(owner));
process.stdout.write('held');
setInterval(() => {}, 1000);
`;

async function withHolder<T>(root: string, use: (holder: ChildProcess) => Promise<T>): Promise<T> {
  const holder = spawn(process.execPath, ['-e', HOLDER, root], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    return await use(holder);
  } finally {
    if (holder.exitCode === null && holder.signalCode === null) {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
  }
}

test('a store that another process writes is refused, naming it; once that is killed, the lock is free at once', async () => {
  await inTemporaryFolder(async (root) => {
    const objects = fileObjectStore(root);
    await withHolder(root, async (holder) => {
      await expect(objects.lock()).rejects.toMatchObject({
        kind: 'locked',
        message: expect.stringContaining(
          `process ${holder.pid} on host ${hostname()}, since 2024-05-06T07:08:09.000Z`,
        ),
        context: { pid: holder.pid, host: hostname() },
      });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      await (await objects.lock()).release();
    });
  });
});

test('this process is one writer too, and the lock leaves nothing behind', async () => {
  await inTemporaryFolder(async (root) => {
    const lease = await lockWriter(root);
    await expect(lockWriter(root)).rejects.toMatchObject({ kind: 'locked' });
    expect(lease.lost).toBeUndefined();
    await lease.release();
    expect(await readdir(root)).toEqual([]);
    await (await lockWriter(root)).release();
  });
});

test('a lock that cannot be given back is no error', async () => {
  await inTemporaryFolder(async (root) => {
    const lease = await lockWriter(root);
    // As on a file system that has become read-only: neither the file nor the folder of the lock can be removed.
    await rm(path.join(root, '.esparse-writer.json'));
    await mkdir(path.join(root, '.esparse-writer.json/x'), { recursive: true });
    await writeFile(path.join(root, '.esparse-writer.lock/x'), '');
    await expect(lease.release()).resolves.toBeUndefined();
  });
});

test('the lock of another host holds while it is refreshed, and expires after a minute', async () => {
  await inTemporaryFolder(async (root) => {
    const folder = path.join(root, '.esparse-writer.lock');
    await mkdir(folder);
    const owner = { pid: 1, host: 'elsewhere', since: new Date().toISOString() };
    await writeFile(path.join(root, '.esparse-writer.json'), JSON.stringify(owner));
    await expect(lockWriter(root)).rejects.toMatchObject({
      message: expect.stringContaining('on host elsewhere'),
    });
    const old = new Date(Date.now() - 61_000);
    await utimes(folder, old, old);
    await (await lockWriter(root)).release();
  });
});

test('a restarted container, of the same host name and process number, takes its old lock over', async () => {
  await inTemporaryFolder(async (root) => {
    await mkdir(path.join(root, '.esparse-writer.lock'));
    const owner = { pid: process.pid, host: hostname(), since: '2024-05-06T07:08:09.000Z' };
    await writeFile(path.join(root, '.esparse-writer.json'), JSON.stringify(owner));
    await (await lockWriter(root)).release();
  });
});

test('a lock whose owner is unreadable is held, until it expires', async () => {
  await inTemporaryFolder(async (root) => {
    await mkdir(path.join(root, '.esparse-writer.lock'));
    await writeFile(path.join(root, '.esparse-writer.json'), '{"pid": -1');
    await expect(lockWriter(root)).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringContaining('by another process'),
    });
  });
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a process that was killed and that nobody waits for is dead', async () => {
  await inTemporaryFolder(async (root) => {
    // The shell becomes a program that never asks for its dead child; before that it would ask, so the child lives on.
    const parent = spawn('sh', ['-c', 'sleep 100 & echo $!; exec sleep 200'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(printed.toString());
      while (!(await readFile(`/proc/${parent.pid}/cmdline`, 'utf8')).startsWith('sleep')) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      process.kill(pid, 'SIGKILL');
      while (!/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await mkdir(path.join(root, '.esparse-writer.lock'));
      const owner = { pid, host: hostname(), since: new Date().toISOString() };
      await writeFile(path.join(root, '.esparse-writer.json'), JSON.stringify(owner));
      await (await lockWriter(root)).release();
    } finally {
      parent.kill('SIGKILL');
      await once(parent, 'exit');
    }
  });
});

test('of many that want a dead process’s lock, one gets it', async () => {
  await inTemporaryFolder(async (root) => {
    await withHolder(root, async (holder) => {
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    });
    const store = fileObjectStore(root);
    const attempts = await Promise.allSettled(Array.from({ length: 6 }, () => store.lock()));
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]!.value.release();
  });
});
