import { truncateSync, writeFileSync, writeSync, openSync, closeSync } from 'node:fs';
import path from 'node:path';
import { isPlainName, openFolder } from '@esparse/storage';
import { openCheckpointFile, readWhole } from './checkpoint-file.ts';
import { tempDir } from './testing/temp-dir.ts';

test('a range longer than one system call is read whole', async () => {
  const directory = tempDir();
  const file = path.join(directory, 'large');
  const size = 65 * 1024 * 1024;
  const places = [1, 33_554_431, 33_554_432, 33_554_433, 67_108_864, size - 1];
  writeFileSync(file, '');
  // Sparse: takes no room but for the marks.
  truncateSync(file, size);
  const handle = openSync(file, 'r+');
  places.forEach((at, i) => writeSync(handle, Uint8Array.of(i + 1), 0, 1, at));
  closeSync(handle);
  const source = await openCheckpointFile(await openFolder(directory), 'large');
  const bytes = await source!.read(1, size - 1);
  await source!.close();
  expect(source!.size).toBe(size);
  expect(bytes.length).toBe(size - 1);
  expect(places.map((at) => bytes[at - 1])).toEqual([1, 2, 3, 4, 5, 6]);
});

test('a read past the end, and one longer than any buffer, are errors that name the file', async () => {
  const directory = tempDir();
  writeFileSync(path.join(directory, 'a'), '12345');
  const source = await openCheckpointFile(await openFolder(directory), 'a');
  await expect(source!.read(3, 3)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('/a ends at byte 5'),
  });
  await expect(source!.read(0, 2 ** 33)).rejects.toMatchObject({ kind: 'unsupported' });
  await source!.close();
});

test('only plain names are opened', async () => {
  const folder = await openFolder(tempDir());
  for (const name of ['../a', '/a', 'a/b', 'a\\b', '..', '.', '', 'a\nb', 'c:a', 'a'.repeat(256)]) {
    expect(isPlainName(name)).toBe(false);
    await expect(openCheckpointFile(folder, name)).rejects.toMatchObject({ kind: 'checkpoint' });
  }
  expect(isPlainName('model-00001-of-00002.safetensors')).toBe(true);
  await expect(openCheckpointFile(folder, 'absent')).resolves.toBeUndefined();
});

test('a small file beyond its limit is refused, and one that is absent is undefined', async () => {
  const directory = tempDir();
  writeFileSync(path.join(directory, 'a'), '12345');
  const folder = await openFolder(directory);
  expect(await readWhole(folder, 'a', 5)).toEqual(new TextEncoder().encode('12345'));
  await expect(readWhole(folder, 'a', 4)).rejects.toThrow('a has 5 bytes; at most 4 are read');
  expect(await readWhole(folder, 'b', 4)).toBeUndefined();
});
