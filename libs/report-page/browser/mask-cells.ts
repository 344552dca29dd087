import type { LinearData } from '../src/data.ts';
import type { ShownRun } from './run.ts';

/** Rows of a tile. */
const TILE_ROWS = 16;

/** The rows of a mask that the page has, in one order of its columns. */
export interface MaskCells {
  readonly cols: number;
  /** The row within the linear of each row that is shown. */
  readonly rows: Int32Array;
  /** The channel of each column. */
  readonly channels: Int32Array;
  readonly group: number;
  /** How many weights are kept in the rows above and the columns before: (rows + 1, cols + 1). */
  readonly sums: Uint32Array;
}

export function maskCells(
  { read }: Pick<ShownRun, 'read'>,
  linear: LinearData,
  order: 'original' | 'shuffled',
): MaskCells | undefined {
  const { mask, permutation, pattern, cols } = linear;
  if (mask === undefined || permutation === undefined || pattern === undefined) return undefined;
  const rows = Int32Array.from(
    mask.tiles.flatMap((first) =>
      Array.from({ length: Math.min(TILE_ROWS, linear.rows - first) }, (_, r) => first + r),
    ),
  );
  const shuffled = read(permutation);
  // Where in the stored rows, which are shuffled, each column stands.
  const positions = Int32Array.from(shuffled, (_, position) => position);
  if (order === 'original') shuffled.forEach((channel, position) => (positions[channel] = position));
  const bits = read(mask.bits);
  const rowBytes = Math.ceil(cols / 8);
  const width = cols + 1;
  const sums = new Uint32Array((rows.length + 1) * width);
  for (let r = 0; r < rows.length; r++) {
    let inRow = 0;
    for (let c = 0; c < cols; c++) {
      const position = positions[c]!;
      inRow += (bits[r * rowBytes + (position >> 3)]! >> (position & 7)) & 1;
      sums[(r + 1) * width + c + 1] = sums[r * width + c + 1]! + inRow;
    }
  }
  const channels = Int32Array.from(positions, (position) => shuffled[position]!);
  return { cols, rows, channels, group: pattern.group, sums };
}

/** The share of weights that are kept in rows [top, bottom) and columns [left, right), which are not empty. */
export function keptShare(
  { cols, sums }: MaskCells,
  top: number,
  left: number,
  bottom: number,
  right: number,
): number {
  const width = cols + 1;
  const kept =
    sums[bottom * width + right]! -
    sums[top * width + right]! -
    sums[bottom * width + left]! +
    sums[top * width + left]!;
  return kept / ((bottom - top) * (right - left));
}
