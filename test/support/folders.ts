import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A folder for the tests of a file, removed after them. @param parent where it is made */
export function scratchFolder(parent = tmpdir()): (...names: string[]) => string {
  let home = '';
  beforeAll(async () => {
    home = await realpath(await mkdtemp(path.join(parent, 'esparse-e2e-')));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));
  return (...names) => path.join(home, ...names);
}

/** Every file under a folder with its digest. */
export async function contentsOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  const digests = await Promise.all(
    files.sort().map(async (file) => {
      const digest = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      return [path.relative(folder, file), digest] as const;
    }),
  );
  return Object.fromEntries(digests);
}
