/** The values of blocks are those of ggml's own Python package: see `test/python/gguf_fixtures.py`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { GGUF_TYPES } from './quantized.ts';

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
