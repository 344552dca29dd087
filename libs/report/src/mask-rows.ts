import { TILE_ROWS, visitTile, type Indices } from './kept-positions.ts';

/** The mask of some tiles of 16 rows, in the shuffled order: position i of a row is bit i & 7 of its byte i >> 3. */
export function maskRows(indices: Indices, tiles: readonly number[]): Uint8Array {
  const { rows, cols } = indices;
  const rowBytes = Math.ceil(cols / 8);
  const height = tiles.reduce((sum, tile) => sum + Math.min(TILE_ROWS, rows - tile * TILE_ROWS), 0);
  const bits = new Uint8Array(height * rowBytes);
  let begun = 0;
  for (const tile of tiles) {
    visitTile(indices, tile, (row, position) => {
      const at = (begun + row - tile * TILE_ROWS) * rowBytes + (position >> 3);
      bits[at]! |= 1 << (position & 7);
    });
    begun += Math.min(TILE_ROWS, rows - tile * TILE_ROWS);
  }
  return bits;
}
