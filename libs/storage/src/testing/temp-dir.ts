import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A new empty directory, removed when the test file has ended. */
export function tempDir(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'esparse-checkpoint-'));
  made.push(directory);
  return directory;
}

const made: string[] = [];

afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});
