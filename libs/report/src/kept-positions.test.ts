import { identityOrder, maskLinear, packLinear, parsePattern, unpackLinear } from '@esparse/sparsity';
import { keptByPosition, visitTile, type Indices } from './kept-positions.ts';
import { maskRows } from './mask-rows.ts';

const COLS = 48;
/** Not a multiple of a tile: the last one has rows that are not there. */
const ROWS = 41;

/** A linear packed by what the store packs with, and which of its weights are kept by what exports read it with. */
async function packed(text: string): Promise<{ indices: Indices; kept: Uint8Array }> {
  const pattern = parsePattern(text);
  const scores = Float32Array.from({ length: ROWS * COLS }, (_, i) => (i * 7919) % 1009);
  const permutation = identityOrder(COLS);
  const mask = await maskLinear({ scores, rows: ROWS, cols: COLS }, permutation, pattern);
  const linear = await packLinear(
    { dtype: 'bf16', rows: ROWS, cols: COLS, weights: new Uint16Array(ROWS * COLS).fill(1) },
    permutation,
    mask,
    pattern,
  );
  const { keep, group } = pattern;
  return {
    indices: { encoding: linear.encoding, rows: ROWS, cols: COLS, keep, group, bytes: linear.indices },
    kept: Uint8Array.from(await unpackLinear(linear)),
  };
}

test.each(['2:4', '1:4', '1:2', '1:3', '4:8', '3:8', '8:16', '2:16'])(
  'of %s, indices tell which weights are kept, without the weights',
  async (pattern) => {
    const { indices, kept } = await packed(pattern);
    const found = new Uint8Array(ROWS * COLS);
    for (let tile = 0; tile < 3; tile++) {
      visitTile(indices, tile, (row, position) => (found[row * COLS + position] = 1));
    }
    expect(found).toEqual(kept);
    const counts = new Uint32Array(COLS);
    kept.forEach((one, i) => (counts[i % COLS]! += one));
    expect(keptByPosition(indices, 'q_proj')).toEqual(counts);
  },
);

test('rows of a mask are bits, those of the tiles that are asked for', async () => {
  const { indices, kept } = await packed('2:4');
  const bits = maskRows(indices, [0, 2]);
  const rows = [
    ...Array.from({ length: 16 }, (_, r) => r),
    ...Array.from({ length: ROWS - 32 }, (_, r) => 32 + r),
  ];
  expect(bits).toHaveLength((rows.length * COLS) / 8);
  rows.forEach((row, r) => {
    const read = Array.from({ length: COLS }, (_, i) => (bits[r * (COLS / 8) + (i >> 3)]! >> (i & 7)) & 1);
    expect(read).toEqual([...kept.subarray(row * COLS, (row + 1) * COLS)]);
  });
});

test('indices of another size than the linear are damage, named', async () => {
  const { indices } = await packed('2:4');
  const cut = { ...indices, bytes: indices.bytes.subarray(4) };
  expect(() => keptByPosition(cut, 'run a, block 0: q_proj')).toThrow(
    expect.objectContaining({
      kind: 'store',
      message: expect.stringMatching(/^run a, block 0: q_proj: its indices/),
    }),
  );
});
