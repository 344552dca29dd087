import { openCheckpointFile } from './checkpoint-file.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { rawSafetensors } from './testing/raw-safetensors.ts';
import { MAX_HEADER_BYTES, readSafetensorsHeader } from './safetensors-header.ts';

async function read(file: Uint8Array) {
  const source = await openCheckpointFile(memoryFolder({ 'm.safetensors': file }), 'm.safetensors');
  return readSafetensorsHeader(source!, 'm.safetensors', 'dir');
}

const f32 = (shape: unknown, ...data_offsets: unknown[]) => ({ dtype: 'F32', shape, data_offsets });

test('tensors come with their shape and their place in the file, in whatever order they are listed', async () => {
  const header = {
    __metadata__: { format: 'pt' },
    late: f32([2, 3], 8, 32),
    early: { dtype: 'BF16', shape: [4], data_offsets: [0, 8] },
    empty: f32([0, 9007199254740991, 9007199254740991], 8, 8),
    scalar: { dtype: 'I64', shape: [], data_offsets: [32, 40] },
  };
  const at = 8 + JSON.stringify(header).length;
  expect(await read(rawSafetensors(header, 40))).toEqual([
    { name: 'late', dtype: 'F32', shape: [2, 3], file: 'm.safetensors', begin: at + 8, end: at + 32 },
    { name: 'early', dtype: 'BF16', shape: [4], file: 'm.safetensors', begin: at, end: at + 8 },
    expect.objectContaining({ name: 'empty', begin: at + 8, end: at + 8 }),
    expect.objectContaining({ name: 'scalar', dtype: 'I64', begin: at + 32, end: at + 40 }),
  ]);
});

test('a type that this version does not know is listed without a check of its size', async () => {
  const header = { q: { dtype: 'F4', shape: [8], data_offsets: [0, 4] } };
  expect(await read(rawSafetensors(header, 4))).toMatchObject([{ name: 'q', dtype: 'F4' }]);
});

test.each<[string, unknown, number, RegExp]>([
  ['an overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /"b" .* overlaps/],
  ['a hole', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /"b" .* hole of 4 bytes/],
  ['a hole at the start', { a: f32([1], 4, 8) }, 8, /"a" .* hole of 4 bytes/],
  ['bytes after the last tensor', { a: f32([1], 0, 4) }, 6, /2 bytes after its last tensor/],
  ['too few bytes', { a: f32([4], 0, 16) }, 12, /truncated: expected \d+ bytes or more, found \d+/],
  ['a size that contradicts the shape', { a: f32([3], 0, 8) }, 8, /"a" is F32 \[3\], 12 bytes, .* span 8/],
  ['an end before the begin', { a: f32([1], 8, 4) }, 8, /"a" begins at byte 8, after its end at byte 4/],
  ['a negative size', { a: f32([-1], 0, 4) }, 4, /"a" has a shape/],
  ['a fractional size', { a: f32([0.5], 0, 2) }, 2, /"a" has a shape/],
  ['a shape that is text', { a: f32('1', 0, 4) }, 4, /"a" has a shape/],
  ['a shape beyond counting', { a: f32([2 ** 40, 2 ** 40], 0, 4) }, 4, /"a" has an impossible shape/],
  ['too many dimensions', { a: f32(new Array(65).fill(1), 0, 4) }, 4, /"a" has a shape/],
  ['offsets that are no numbers', { a: f32([1], '0', 4) }, 4, /"a" has data_offsets/],
  ['three offsets', { a: f32([1], 0, 4, 4) }, 4, /"a" has data_offsets/],
  ['offsets beyond 2^53', { a: f32([1], 2 ** 60, 2 ** 60) }, 4, /"a" has data_offsets/],
  ['no dtype', { a: { shape: [1], data_offsets: [0, 4] } }, 4, /"a" has no dtype/],
  ['an entry that is a list', { a: [] }, 0, /"a" is not described/],
  ['metadata that is not text', { __metadata__: { a: 1 } }, 0, /__metadata__/],
  ['an empty name', { '': f32([1], 0, 4) }, 4, /name of 0 characters/],
  ['a long name', { ['n'.repeat(2000)]: f32([1], 0, 4) }, 4, /name of 2000 characters/],
  ['a header that is a list', [], 0, /not a JSON object/],
  ['a header that is not JSON', '{"a":', 0, /the header of dir\/m.safetensors is not JSON/],
  ['a name given twice', '{"a":{},"a":{}}', 0, /key "a" twice/],
])('%s is refused, naming the tensor', async (_, header, size, message) => {
  await expect(read(rawSafetensors(header, size))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringMatching(message),
  });
});

test('more tensors than the limit are refused', async () => {
  const entries = Array.from({ length: 100_001 }, (_, i) => `"${i}":0`);
  await expect(read(rawSafetensors(`{${entries.join(',')}}`))).rejects.toThrow('lists 100001 tensors');
});

test('a length that no header has is refused before anything is allocated', async () => {
  const file = new Uint8Array(16).fill(0xff);
  await expect(read(file)).rejects.toThrow(
    `claims a header of 18446744073709551615 bytes; the format allows ${MAX_HEADER_BYTES}`,
  );
});

test('a file cut off at any byte is refused', async () => {
  const whole = rawSafetensors({ a: f32([2], 0, 8) }, 8);
  for (let length = 0; length < whole.length; length++) {
    await expect(read(whole.slice(0, length))).rejects.toMatchObject({ kind: 'checkpoint' });
  }
});
