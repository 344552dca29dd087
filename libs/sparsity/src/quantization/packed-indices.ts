import { packedLayout, placesOf, TILE_ROWS, type QuantizedShape } from '@esparse/kernels';

/**
 * Where the survivors of a quantized linear stand, in the form of the indices of a packed one; rows that only fill up the last
 * tile keep nothing.
 *
 * @throws EsparseError 'store' where the indices are no choice of N of M
 */
export function packedIndicesOf(shape: QuantizedShape, indices: Uint8Array): Uint8Array {
  return packedIndicesAt(shape, placesOf(shape, indices));
}

/** The same for survivors at these positions: (rows, groups * keep), as `placesOf` gives them. */
export function packedIndicesAt(
  { rows, cols, keep, group }: Pick<QuantizedShape, 'rows' | 'cols' | 'keep' | 'group'>,
  places: Int32Array,
): Uint8Array {
  const { bits, tiles, groups, groupBytes } = packedLayout(rows, cols, keep, group);
  const packed = new Uint8Array(tiles * groups * groupBytes);
  const survivors = groups * keep;
  places.forEach((place, at) => {
    const [row, slot] = [Math.floor(at / survivors), at % keep];
    const lane = row % TILE_ROWS;
    const begin = (Math.floor(row / TILE_ROWS) * groups + Math.floor(place / group)) * groupBytes;
    const position = place % group;
    const put = (bit: number) => (packed[begin + (bit >> 3)]! |= 1 << (bit & 7));
    if (bits === 0) put(position * TILE_ROWS + lane);
    for (let b = 0; b < bits; b++) if ((position >> b) & 1) put((slot * TILE_ROWS + lane) * bits + b);
  });
  return packed;
}
