/** A GGUF file comes from anywhere: what is wrong with it is named, nothing is read outside of it, and nothing hangs. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isEsparseError } from '@esparse/errors';
import { uniform } from '@esparse/laws';
import { openCheckpointIn } from '../checkpoint.ts';
import { tokenizerFilesIn } from '../tokenizer-files.ts';
import { ggufFolder } from './folder.ts';
import { readGgufHeader } from './header.ts';

const MODEL = path.join(import.meta.dirname, '../../../../test/fixtures/gguf/llama/model.gguf');

let sound: Buffer;
beforeAll(async () => {
  sound = await readFile(MODEL);
});

/** What opening a file of these bytes, and reading all of its tensors, ends with. */
async function openedAs(bytes: Uint8Array): Promise<unknown> {
  const source = {
    size: bytes.length,
    readInto(offset: number, target: Uint8Array) {
      target.set(bytes.subarray(offset, offset + target.length));
      return Promise.resolve(offset + target.length <= bytes.length);
    },
    close: () => Promise.resolve(),
  };
  const folder = ggufFolder({ location: 'memory', open: () => Promise.resolve(source) }, 'model.gguf');
  try {
    await tokenizerFilesIn(folder);
    const checkpoint = await openCheckpointIn(folder);
    for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
    await checkpoint.close();
    return 'sound';
  } catch (error) {
    return error;
  }
}

/** The file with bytes replaced behind the first place where a text stands. */
function changed(after: string, at: number, replacement: Uint8Array): Buffer {
  const bytes = Buffer.from(sound);
  const place = bytes.indexOf(after) + after.length + at;
  bytes.set(replacement, place);
  return bytes;
}

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer);

test('the file that is damaged below is sound', async () => {
  expect(await openedAs(sound)).toBe('sound');
});

test('of a file that is something else, what a model may be is said', async () => {
  const file = {
    size: 40,
    read: () => Promise.resolve(Buffer.alloc(40)),
    readPieces: undefined,
    close: () => Promise.resolve(),
  };
  await expect(readGgufHeader(file, 'model.safetensors')).rejects.toMatchObject({
    kind: 'checkpoint',
    hint: expect.stringContaining('the folder of a Hugging Face checkpoint'),
  });
});

test.each<[string, () => Uint8Array, string, string]>([
  [
    'no GGUF file',
    () => Buffer.from('not a model at all, but long enough'),
    'checkpoint',
    'does not begin with GGUF',
  ],
  ['an empty file', () => new Uint8Array(0), 'checkpoint', 'ends in the middle'],
  ['another version', () => changed('GGUF', 0, u32(77)), 'unsupported', 'version 77'],
  ['countless tensors', () => changed('GGUF', 4, u64(1n << 60n)), 'checkpoint', 'tensors'],
  ['countless metadata', () => changed('GGUF', 12, u64(1n << 40n)), 'checkpoint', 'entries of metadata'],
  ['an endless text', () => changed('GGUF', 20, u64(1n << 50n)), 'checkpoint', 'a text of'],
  ['a value of no type', () => changed('general.architecture', 0, u32(99)), 'checkpoint', 'type 99'],
  ['an array of arrays', () => changed('tokenizer.ggml.tokens', 4, u32(9)), 'checkpoint', 'array of arrays'],
  [
    'an array that never ends',
    () => changed('tokenizer.ggml.tokens', 8, u64(1n << 45n)),
    'checkpoint',
    'elements of',
  ],
  [
    'an architecture that is not known',
    () => changed('general.architecture', 12, Buffer.from('mamba')),
    'unsupported',
    "'mamba'",
  ],
  [
    'a tensor of an unknown type',
    () => changed('blk.0.attn_q.weight', 20, u32(17)),
    'unsupported',
    "ggml's type 17",
  ],
  [
    'a tensor that the architecture does not have',
    () => changed('blk.0.attn_q.weigh', 0, Buffer.from('T')),
    'unsupported',
    'blk.0.attn_q.weighT',
  ],
  [
    'a tensor behind the end',
    () => changed('blk.0.attn_q.weight', 24, u64(1n << 40n)),
    'checkpoint',
    'beyond the file',
  ],
  [
    'rows that are no whole blocks',
    () => changed('blk.0.attn_q.weight', 4, u64(33n)),
    'checkpoint',
    'no multiple of 32',
  ],
  ['a file that was cut', () => sound.subarray(0, sound.length - 100), 'checkpoint', 'beyond the file'],
  ['a header that was cut', () => sound.subarray(0, 900), 'checkpoint', 'ends in the middle'],
])('%s is refused by name', async (_, bytes, kind, message) => {
  expect(await openedAs(bytes())).toMatchObject({ kind, message: expect.stringContaining(message) });
});

test('500 mutations of the header end with an error that says what is wrong, or change nothing that matters', async () => {
  const end = 8000;
  for (let seed = 1; seed <= 500; seed++) {
    const random = uniform(seed);
    const bytes = Buffer.from(sound);
    for (let i = 0; i <= random() * 4; i++) bytes[Math.floor(random() * end)] = Math.floor(random() * 256);
    const outcome = await openedAs(bytes);
    const expected = outcome === 'sound' || (isEsparseError(outcome) && outcome.kind !== 'internal');
    expect({ seed, outcome, expected }).toEqual({ seed, outcome, expected: true });
  }
});
