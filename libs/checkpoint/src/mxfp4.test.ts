import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint, openCheckpointIn } from './checkpoint.ts';
import { tensorToF32 } from './convert.ts';
import { dequantizeMxfp4 } from './mxfp4.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { bytesOf } from './views.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/transformers');

async function valuesOf(blocks: Uint8Array, scales: Uint8Array): Promise<number[]> {
  const pairs = new Uint32Array(16 * scales.length);
  dequantizeMxfp4(blocks, scales, pairs);
  return [...(await tensorToF32('BF16', bytesOf(pairs)))];
}

/** Each of the sixteen numbers in the lower half of a byte, then each in the upper one. */
const EACH = Uint8Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4));
const NUMBERS = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

test('a block is sixteen bytes of two numbers each, the lower half first, times a power of two', async () => {
  for (const scale of [1, 100, 127, 130, 252]) {
    const expected = NUMBERS.flatMap((number, i) => [number, NUMBERS[15 - i]!]).map(
      (number) => number * 2 ** (scale - 127),
    );
    expect(await valuesOf(EACH, Uint8Array.of(scale))).toEqual(expected);
  }
});

test('the smallest scale is exact, below the normal numbers; the largest is none', async () => {
  const [least] = [await valuesOf(EACH, Uint8Array.of(0))];
  expect(least.slice(0, 4)).toEqual([0, -6 * 2 ** -127, 2 ** -128, -4 * 2 ** -127]);
  const values = await valuesOf(new Uint8Array(32).fill(0x22), Uint8Array.of(255, 127));
  expect(values.slice(0, 32)).toEqual(new Array(32).fill(NaN));
  expect(values.slice(32)).toEqual(new Array(32).fill(1));
});

const STORED = 'model.layers.1.mlp.experts.gate_up_proj';
/** Gate and up of four experts, by turns. */
const FUSED = {
  ...{ name: STORED, shape: [4, 32, 128], stack: 4, transposed: true, interleaved: true },
  mxfp4: { blocks: `${STORED}_blocks`, scales: `${STORED}_scales` },
  parts: [0, 1, 2, 3].flatMap((expert) =>
    ['gate', 'up'].map((linear) => ({ name: `${expert}.${linear}`, rows: 64 })),
  ),
};

test.each(['gpt-oss', 'gpt-oss-mxfp4'])('%s: of an expert, no byte of another is read', async (name) => {
  const file = (one: string) => readFile(path.join(FIXTURES, name, one));
  const folder = memoryFolder({
    'config.json': '{}',
    'model.safetensors': await file('model.safetensors'),
  });
  const checkpoint = await openCheckpointIn(folder);
  checkpoint.split(FUSED);
  for (const [i, expert] of FUSED.parts.entries()) {
    const { begin, end, mxfp4 } = checkpoint.info(expert.name);
    const scales = mxfp4 === undefined ? undefined : ([mxfp4.begin, mxfp4.begin + 128] as const);
    folder.reads.length = 0;
    await checkpoint.read(expert.name);
    expect(folder.reads.length).toBeGreaterThan(0);
    for (const [, from, length] of folder.reads) {
      const within = [[begin, end] as const, scales ?? [0, 0]].some(
        ([first, last]) => from >= first && from + length <= last,
      );
      expect(within).toBe(true);
    }
    const next = FUSED.parts[i + 2];
    if (next !== undefined) expect(checkpoint.info(next.name).begin).toBe(end);
  }
  await checkpoint.close();
});

test('every expert in blocks has the bytes of the checkpoint that transformers made of them', async () => {
  const [blocks, plain] = [
    await openCheckpoint(path.join(FIXTURES, 'gpt-oss-mxfp4')),
    await openCheckpoint(path.join(FIXTURES, 'gpt-oss')),
  ];
  expect(blocks.split(FUSED)).toEqual([`${STORED}_blocks`, `${STORED}_scales`]);
  expect(plain.split(FUSED)).toEqual([STORED]);
  for (const { name } of FUSED.parts) {
    expect(blocks.info(name)).toMatchObject({ dtype: 'BF16', shape: [64, 32] });
    expect(await blocks.read(name)).toEqual(await plain.read(name));
    expect(await blocks.readRowRange(name, 5, 9)).toEqual(await plain.readRowRange(name, 5, 9));
    const rows = Uint32Array.of(63, 0, 7, 8);
    expect(await blocks.readRows(name, rows)).toEqual(await plain.readRows(name, rows));
    expect([blocks.fileOf(name), plain.fileOf(name)]).toEqual([undefined, undefined]);
  }
  await Promise.all([blocks.close(), plain.close()]);
});

test.each([
  [
    'another number of rows',
    { shape: [4, 32, 126] },
    /gate_up_proj_blocks' is 4 x 128 x 1 x 16, but .* 4 x 126 x 1 x 16/,
  ],
  [
    'rows that are no whole blocks',
    { shape: [4, 40, 128] },
    /blocks of 32, and config.json implies rows of 40/,
  ],
  ['scales that are not there', { mxfp4: { scales: 'none' } }, /no tensor none/],
  [
    'scales of another type',
    { mxfp4: { scales: 'lm_head.weight' } },
    /lm_head.weight' is 40 x 32 of BF16, but/,
  ],
])(
  'blocks with %s are refused',
  async (_, { mxfp4, ...part }: { shape?: number[]; mxfp4?: object }, message) => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, 'gpt-oss-mxfp4'));
    const stored = 'model.layers.1.mlp.experts.gate_up_proj';
    const packed = { blocks: `${stored}_blocks`, scales: `${stored}_scales`, ...mxfp4 };
    const parts = [0, 1, 2, 3].map((expert) => ({ name: `${expert}`, rows: 128 }));
    expect(() => {
      checkpoint.split({
        ...{ name: stored, shape: [4, 32, 128], stack: 4, transposed: true, parts },
        ...part,
        mxfp4: packed,
      });
    }).toThrow(expect.objectContaining({ kind: 'checkpoint', message: expect.stringMatching(message) }));
    await checkpoint.close();
  },
);
