/**
 * Packed layout, version 1: that of the matrix kernels. Tiles of 16 rows (the last one padded with rows that
 * keep positions 0 .. keep-1, all zero), then groups in shuffled order; for each (tile, group) 16 * keep values
 * and some bytes of indices, in one of two encodings.
 *
 * - `index`, where keep positions take at most one bit per dense weight: values as [slot][16 rows], slot s being
 *   the s-th kept position, ascending; indices as, per slot, a little-endian string of 16 positions of `bits`
 *   bits, row r at bit r * bits.
 * - `mask`, otherwise: indices as, per position of the group, a little-endian u16 whose bit r says that row r
 *   keeps it; values in the order of those bits, position by position, rows ascending.
 */
export interface PackedLayout {
  readonly encoding: 'index' | 'mask';
  /** Bits of a position in the index encoding, 0 in the mask encoding. */
  readonly bits: number;
  readonly tiles: number;
  readonly groups: number;
  /** Values of one (tile, group). */
  readonly groupValues: number;
  /** Bytes of indices of one (tile, group). */
  readonly groupBytes: number;
}

/** Rows of one tile: one AVX-512 vector of f32; narrower instruction sets walk it in parts. */
export const TILE_ROWS = 16;

/** The layout of a (rows, cols) matrix that keeps `keep` of every `group`, a divisor of cols. */
export function packedLayout(rows: number, cols: number, keep: number, group: number): PackedLayout {
  const bits = 32 - Math.clz32(group - 1); // ceil(log2 group), at least 1 as group > 1
  const encoding = keep * bits <= group ? 'index' : 'mask';
  return {
    encoding,
    bits: encoding === 'index' ? bits : 0,
    tiles: Math.ceil(rows / TILE_ROWS),
    groups: cols / group,
    groupValues: TILE_ROWS * keep,
    groupBytes: (TILE_ROWS / 8) * (encoding === 'index' ? keep * bits : group),
  };
}
