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

test('a part of a file has its bytes, wherever it begins', () => {
  const file = path.join(folder, 'parts');
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i * 11);
  writeFileSync(file, bytes);
  for (const [offset, length] of [
    [0, 20_000],
    [8, 100],
    [4095, 2],
    [4096, 4096],
    [9001, 10_999],
  ] as const) {
    const part = mapFile(file, { offset, length });
    expect(Buffer.compare(part, bytes.subarray(offset, offset + length))).toBe(0);
  }
  expect(() => mapFile(file, { offset: 19_999, length: 2 })).toThrow(
    expect.objectContaining({ kind: 'store', message: expect.stringContaining('it has 20000 bytes') }),
  );
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
