import path from 'node:path';
import fc from 'fast-check';
import { checkKey, folderOf, isKey, joinKey } from './key.ts';

test.each([
  '',
  '/etc/passwd',
  '..',
  'a/../../b',
  'a//b',
  'a/',
  './a',
  'a\\b',
  'a\0b',
  'C:/windows',
  'naïve',
  'a b',
  '.esparse-writer.lock',
  'x/.esparse-tmp-1',
  'a'.repeat(256),
  'a/'.repeat(600) + 'a',
])('the hostile key %j is refused, naming it', (key) => {
  expect(() => checkKey(key)).toThrow(
    expect.objectContaining({ kind: 'store', message: expect.stringContaining('the key') }) as Error,
  );
});

test('a key that is accepted stays below the root, and keeps its name', () => {
  const part = fc.string({
    unit: fc.constantFrom('a', 'Z', '0', '.', '/', '-', '_', '\\', ' '),
    maxLength: 12,
  });
  fc.assert(
    fc.property(part, (key) => {
      if (isKey(key)) expect(path.join('/root', key)).toBe(`/root/${key}`);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('joining leaves out empty parts, and the folder of a key is what lies before its last slash', () => {
  expect(joinKey('', 'a', 3, '', 'b')).toBe('a/3/b');
  expect(folderOf('a/3/b')).toBe('a/3');
  expect(folderOf('a')).toBe('');
});
