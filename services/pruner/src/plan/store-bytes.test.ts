import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inTemporaryFolder } from '@esparse/laws';
import {
  identityOrder,
  maskLinear,
  packLinear,
  packQuantized,
  parsePattern,
  roundLinear,
  defineEncoding,
} from '@esparse/sparsity';
import { packedBytes, storeBytesOf } from './store-bytes.ts';
import { requireOneEncoding } from '../require-one-encoding.ts';
import { DESCRIPTION, layersOf } from './testing/small-workload.ts';

test.each([
  ['2:4', 32, 16],
  ['2:4', 17, 16],
  ['1:4', 3, 64],
  ['5:8', 20, 24],
  ['3:16', 16, 64],
])('a linear to %s of %i x %i takes what its arrays have, and a checksum each', async (text, rows, cols) => {
  const pattern = parsePattern(text);
  const order = identityOrder(cols);
  const mask = await maskLinear(
    { scores: new Float32Array(rows * cols).fill(1), rows, cols },
    order,
    pattern,
  );
  const linear = { dtype: 'bf16' as const, weights: new Uint16Array(rows * cols), rows, cols };
  const { values, indices, permutation } = await packLinear(linear, order, mask, pattern);
  const arrays = [values, indices, permutation].map(({ byteLength }) => byteLength + 4);
  const spec = { ...DESCRIPTION.linears[0]!, rows, cols, pattern };
  expect(packedBytes(spec)).toBe(arrays.reduce((sum, bytes) => sum + bytes, 0));
  for (const bits of [3, 4, 8] as const) {
    const survivors = { mask, pattern, permutation: order };
    const weights = new Float32Array(rows * cols);
    const integers = roundLinear({ weights, rows, cols }, { bits, group: 12 }, survivors);
    const quantized = await packQuantized(integers, { rows, cols }, survivors);
    const own = [quantized.values, quantized.scales, quantized.indices!, order];
    expect(packedBytes(spec, { bits, group: 12 })).toBe(
      own.reduce((sum, { byteLength }) => sum + byteLength + 4, 0),
    );
  }
});

/** Only its tokenizer is looked at. */
const MODEL = path.join(__dirname, '../../../../examples/models/llama-2m');

interface Given {
  readonly model?: string;
  readonly dtype?: 'BF16' | 'F32';
  readonly readings?: number;
  readonly rules?: readonly string[];
}

function bytesOf({ model = MODEL, dtype = 'BF16', readings = 0, rules = [] }: Given = {}) {
  return storeBytesOf(model, {
    checkpoint: { info: () => ({ dtype }) },
    description: DESCRIPTION,
    layers: layersOf(...rules),
    readings,
  });
}

test('a reading takes a float a channel and a checksum at each tap', async () => {
  const [without, two] = [await bytesOf(), await bytesOf({ readings: 2 })];
  const taps = [0, 1, 2, 3].flatMap((block) => layersOf().taps(block));
  const expected = taps.reduce((sum, { channels }) => sum + 2 * (4 * channels + 4), 0);
  expect(two.arrays - without.arrays).toBe(expected);
  expect(two.bytes - two.arrays).toBeGreaterThan(without.bytes - without.arrays);
});

test('an encoding of one’s own takes what it says, beside the order of the inputs; with integers it is refused', () => {
  const encoding = defineEncoding({
    ...{ name: 'mine', values: 'mine' },
    arrays: ({ rows, each }) => ({
      values: { type: 'uint16', shape: [rows, each] },
      places: { type: 'uint8', shape: [rows, 3] },
    }),
    encode: () => ({}),
    decode: () => ({ values: new Float32Array(), positions: new Int32Array() }),
  });
  const linear = { ...DESCRIPTION.linears[0]!, rows: 5, cols: 16, pattern: { keep: 2, group: 4 } };
  expect(packedBytes(linear, undefined, encoding)).toBe(2 * 5 * 8 + 4 + (5 * 3 + 4) + (4 * 16 + 4));
  const asked = (rounding?: { bits: 4 }) => ({
    pipeline: { stages: [], blockStages: [{ rounding }] } as unknown as Parameters<
      typeof requireOneEncoding
    >[0]['pipeline'],
    encoding: { encoding, source: { sha256: '' } },
  });
  requireOneEncoding(asked());
  expect(() => {
    requireOneEncoding(asked({ bits: 4 }));
  }).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringContaining('one of the two') }));
});

test('a linear that stays dense takes its weights instead of its packed arrays', async () => {
  const [packed, dense] = [await bytesOf(), await bytesOf({ rules: ['blocks.1.q_proj=dense'] })];
  const linear = layersOf()
    .pruned(1)
    .find(({ name }) => name === 'q_proj')!;
  const { rows, cols } = linear;
  expect(dense.arrays - packed.arrays).toBe(2 * rows * cols + 4 - packedBytes(linear));
});

test('weights of 32 bits take twice the bytes where they stay, and those of 16 where they are packed', async () => {
  const linears = [0, 1, 2, 3].flatMap((block) => layersOf().pruned(block));
  const packed = linears.reduce((sum, linear) => sum + packedBytes(linear), 0);
  const tensors = DESCRIPTION.outerTensors.length + 4 * DESCRIPTION.blockTensors(0).length;
  const [half, single] = [await bytesOf(), await bytesOf({ dtype: 'F32' })];
  const checksums = 4 * tensors;
  expect(single.arrays - packed - checksums).toBe(2 * (half.arrays - packed - checksums));
});

test("the tokenizer's files are in the store as they are", () =>
  inTemporaryFolder(async (model) => {
    const without = await bytesOf({ model });
    await writeFile(path.join(model, 'tokenizer_config.json'), '{"a": 1}');
    expect(await bytesOf({ model })).toEqual({ bytes: without.bytes + 8, arrays: without.arrays });
  }));
