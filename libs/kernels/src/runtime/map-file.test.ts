import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mapFile } from './map-file.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'esparse-map-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('a mapped file has the bytes of the file', () => {
  const file = path.join(folder, 'bytes');
  const bytes = Uint8Array.from({ length: 100_001 }, (_, i) => i * 7);
  writeFileSync(file, bytes);
  const mapped = mapFile(file);
  expect(Buffer.compare(mapped, bytes)).toBe(0);
  expect(new Uint16Array(mapped.buffer, 2, 2)).toEqual(new Uint16Array(bytes.buffer, 2, 2));
});

test('a file that is removed or replaced stays as it was mapped', () => {
  const file = path.join(folder, 'replaced');
  writeFileSync(file, 'before');
  const mapped = mapFile(file);
  rmSync(file);
  writeFileSync(file, 'after.');
  expect(Buffer.from(mapped).toString()).toBe('before');
});

test('what is missing, empty or no file is refused with its name', () => {
  const empty = path.join(folder, 'empty');
  writeFileSync(empty, '');
  for (const [file, why] of [
    [path.join(folder, 'missing'), 'o such file'],
    [empty, 'empty'],
    [folder, 'directory'],
  ] as const) {
    expect(() => mapFile(file)).toThrow(
      expect.objectContaining({
        kind: 'store',
        message: expect.stringMatching(new RegExp(`${file}.*${why}`)),
      }),
    );
  }
});
