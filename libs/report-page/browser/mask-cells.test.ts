import type { LinearData } from '../src/data.ts';
import { keptShare, maskCells } from './mask-cells.ts';

/** Two rows of a linear of four, whose columns were shuffled; bits are in the shuffled order. */
const ORDER = [2, 0, 3, 1];
const BITS = [0b0011, 0b1010];
const linear: LinearData = {
  ...{ name: 'q_proj', tap: 'attn_in', rows: 18, cols: 4, bytes: 0, permutationBytes: 0 },
  pattern: { keep: 2, group: 4 },
  permutation: { at: 0, length: 4, as: 'u16' },
  // The last tile has two rows.
  mask: { tiles: [16], bits: { at: 8, length: 2, as: 'u8' } },
};
const run = { read: ({ at }: { at: number }) => Float64Array.from(at === 0 ? ORDER : BITS) };

const cellsOf = (order: 'original' | 'shuffled') => {
  const cells = maskCells(run, linear, order)!;
  const at = (row: number, column: number) => keptShare(cells, row, column, row + 1, column + 1);
  return { cells, rows: [0, 1].map((row) => [0, 1, 2, 3].map((column) => at(row, column))) };
};

test('in the shuffled order, cells are the bits that are stored', () => {
  const { cells, rows } = cellsOf('shuffled');
  expect(rows).toEqual([
    [1, 1, 0, 0],
    [0, 1, 0, 1],
  ]);
  expect([...cells.channels]).toEqual(ORDER);
  expect([...cells.rows]).toEqual([16, 17]);
});

test('in the original order, every cell is with its channel', () => {
  const { cells, rows } = cellsOf('original');
  expect(rows).toEqual([
    [1, 0, 1, 0],
    [1, 1, 0, 0],
  ]);
  expect([...cells.channels]).toEqual([0, 1, 2, 3]);
});

test('from afar, a pixel is the share of the cells that it covers', () => {
  const { cells } = cellsOf('original');
  expect(keptShare(cells, 0, 0, 2, 4)).toBe(0.5);
  expect(keptShare(cells, 0, 0, 2, 2)).toBe(0.75);
});
