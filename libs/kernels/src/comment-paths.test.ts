import { readdir, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';

const PACKAGE = path.join(__dirname, '..');
/** A path from the package's folder, not the end of a longer one. */
const PATH = /(?<![\w./@-])(?:src|native)\/[\w./-]+\.(?:ts|cc|h|inc)\b/g;

test('C++ and TypeScript refer to each other by paths that exist', async () => {
  const named: string[] = [];
  const stale: string[] = [];
  for (const folder of ['src', 'native']) {
    const entries = await readdir(path.join(PACKAGE, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries.filter((each) => each.isFile())) {
      const file = path.join(entry.parentPath, entry.name);
      for (const [found] of (await readFile(file, 'utf8')).matchAll(PATH)) {
        named.push(found);
        if (!existsSync(path.join(PACKAGE, found))) stale.push(`${path.relative(PACKAGE, file)}: ${found}`);
      }
    }
  }
  expect(named).toContain('src/runtime/packed-layout.ts');
  expect(stale).toEqual([]);
});
