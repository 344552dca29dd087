import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MAX_TOKENIZER_FILE_BYTES, tokenizerFiles } from './tokenizer-files.ts';
import { tempDir } from './testing/temp-dir.ts';

test('the files of a tokenizer are those that exist, byte for byte, and no others', async () => {
  const directory = tempDir();
  for (const name of ['tokenizer.json', 'chat_template.jinja', 'merges.txt', 'config.json', 'notes.txt']) {
    writeFileSync(path.join(directory, name), name);
  }
  const files = await tokenizerFiles(directory);
  expect(files.map(({ name, bytes }) => [name, Buffer.from(bytes).toString()])).toEqual(
    ['tokenizer.json', 'chat_template.jinja', 'merges.txt'].map((name) => [name, name]),
  );
});

test('a file beyond the limit is refused by name', async () => {
  const directory = tempDir();
  writeFileSync(path.join(directory, 'tokenizer.model'), '');
  truncateSync(path.join(directory, 'tokenizer.model'), MAX_TOKENIZER_FILE_BYTES + 1);
  await expect(tokenizerFiles(directory)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('tokenizer.model'),
  });
});
