import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { MAX_TEXT_BYTES, readText } from './text.ts';
import { tempDir } from './testing/temp-dir.ts';

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(tempDir(), name);
  writeFileSync(file, content);
  return file;
}

test('a plain file is its text, without a byte order mark', async () => {
  expect(await readText(write('a.txt', '\ufeffGrüße,\r\n 世界 🌍\n'))).toBe('Grüße,\r\n 世界 🌍\n');
});

test.each(['a.jsonl', 'a.json', 'A.JSONL'])(
  'the documents of %s are joined by an empty line',
  async (name) => {
    const lines = '{"text":"one","id":1}\r\n\n{"text":"two\\n"}\n  \n{"text":"three"}';
    expect(await readText(write(name, lines))).toBe('one\n\ntwo\n\n\nthree');
  },
);

test.each<[string, RegExp]>([
  ['{"text":"a"}\n\n{"text":1}', /a\.jsonl, line 3: no string field "text"/],
  ['{"text":"a"}\n{"text"', /a\.jsonl, line 2: not JSON/],
  ['["a"]', /a\.jsonl, line 1: not an object/],
  [String.raw`{"text":"\ud800"}`, /a\.jsonl, line 1: the text has half a surrogate pair/],
  ['\n \n', /a\.jsonl has no documents/],
])('a bad line is refused by file and number: %j', async (content, message) => {
  await expect(readText(write('a.jsonl', content))).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringMatching(message),
  });
});

test('what is not UTF-8 is refused, and a compressed file by its cure', async () => {
  await expect(readText(write('a.txt', Uint8Array.of(65, 0xe9, 66)))).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining('a.txt is not valid UTF-8'),
  });
  await expect(readText(write('a.gz', Uint8Array.of(0x1f, 0x8b, 8, 0)))).rejects.toMatchObject({
    hint: 'decompress it first',
  });
});

test('a missing file, a folder and a file beyond the limit are refused by name', async () => {
  await expect(readText('/nowhere.txt')).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining('/nowhere.txt'),
  });
  await expect(readText(tempDir())).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining('not a regular file'),
  });
  const file = write('big.txt', '');
  truncateSync(file, MAX_TEXT_BYTES + 1);
  await expect(readText(file)).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining(`${MAX_TEXT_BYTES + 1} bytes`),
  });
});

test('reading can be cancelled', async () => {
  await expect(readText(write('a.txt', 'a'), AbortSignal.abort())).rejects.toMatchObject({
    kind: 'cancelled',
  });
});
