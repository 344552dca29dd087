import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { peakResidentBytes } from './peak-memory.ts';

/** Prints the peak of a process of its own. */
const SCRIPT = `import(process.argv[1]).then(({ peakResidentBytes }) => console.log(String(peakResidentBytes())))`;

test('the peak of a process is its own, whatever its parent held when it was started', () => {
  const ballast = Buffer.alloc(512 * 2 ** 20, 1);
  const module = path.join(import.meta.dirname, '../dist/peak-memory.js');
  const child = Number(execFileSync(process.execPath, ['-e', SCRIPT, module], { encoding: 'utf8' }));
  expect(child).toBeGreaterThan(16 * 2 ** 20);
  expect(child).toBeLessThan(ballast.byteLength / 2);
  expect(peakResidentBytes()).toBeGreaterThan(ballast.byteLength);
});
