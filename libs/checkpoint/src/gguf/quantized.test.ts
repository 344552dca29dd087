/** The values of blocks are those of ggml's own Python package: see `test/python/gguf_fixtures.py`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { uniform } from '@esparse/laws';
import { BLOCK_ELEMENTS, GGUF_TYPES, ggufTypeOf, toBlocks } from './quantized.ts';

interface Case {
  readonly type: number;
  readonly name: string;
  /** Base64. */
  readonly blocks: string;
  /** Base64 of f32, little-endian. */
  readonly values: string;
}

const CASES = JSON.parse(
  readFileSync(path.join(import.meta.dirname, '../../../../test/fixtures/gguf/blocks.json'), 'utf8'),
) as Case[];

test.each(CASES)('$name', ({ type, blocks, values }) => {
  const known = GGUF_TYPES.get(type)!;
  const bytes = Buffer.from(blocks, 'base64');
  const expected = new Float32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer);
  const count = bytes.length / known.bytes;
  const found = new Float32Array(count * known.elements);
  known.dequantize!(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), count, found);
  expect(found).toEqual(expected);
});

test.each([
  ['Q8_0', 127],
  ['Q4_0', 7],
] as const)('blocks of %s that are written are read as whole numbers times scales', (type, most) => {
  const random = uniform(2);
  const integers = Int8Array.from({ length: 4 * BLOCK_ELEMENTS }, () =>
    Math.round((random() - 0.5) * 2 * most),
  );
  integers.set(type === 'Q4_0' ? [-8, 7, 0] : [-127, 127, 0]);
  // 1, -0.5, 2^-14 and 2^-24, the least.
  const scales = Uint16Array.of(0x3c00, 0xb800, 0x0400, 0x0001);
  const bytes = toBlocks(type, integers, scales);
  const known = GGUF_TYPES.get(ggufTypeOf(type))!;
  expect(bytes.length).toBe(4 * known.bytes);
  const found = new Float32Array(integers.length);
  known.dequantize!(new DataView(bytes.buffer), 4, found);
  const widths = [1, -0.5, 2 ** -14, 2 ** -24];
  found.forEach((value, i) => {
    expect(value + 0).toBe(integers[i]! * widths[i >> 5]! + 0);
  });
});
