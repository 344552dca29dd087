import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

/** Bytes of a run's arrays, and of everything in it but finished.json, as its file system has them. */
export async function bytesOfRun(run: string): Promise<{ arrays: number; all: number }> {
  const files = (await readdir(run, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  let arrays = 0;
  let all = 0;
  for (const file of files) {
    const { size } = await stat(path.join(file.parentPath, file.name));
    if (file.name !== 'finished.json') all += size;
    if (/\/c(\/0)*$/.test(path.join(file.parentPath, file.name))) arrays += size;
  }
  return { arrays, all };
}
