import { TILE_ROWS } from '../runtime/packed-layout.ts';
import { quantizedLayout, type QuantizedLayout, type QuantizedShape } from '../runtime/quantized-layout.ts';
import { damagedIndices } from './damaged-indices.ts';
import { keptOf } from './linear-reference.ts';

type Shape = Pick<QuantizedShape, 'rows' | 'cols' | 'keep' | 'group' | 'bits' | 'span'>;

/**
 * The shuffled positions at which a row's survivors stand, row after row, ascending: (rows, groups * keep).
 *
 * @param indices undefined where nothing is pruned
 * @throws EsparseError 'store' where they are no choice of N of M
 */
export function placesOf(shape: Shape, indices: Uint8Array | undefined): Int32Array {
  const { rows, keep, group } = shape;
  const layout = quantizedLayout(shape);
  const { groups } = layout;
  const survivors = groups * keep;
  const places = new Int32Array(rows * survivors);
  if (indices === undefined) return places.map((_, at) => at % survivors);
  const read = READERS[layout.places as keyof typeof READERS](layout, shape, indices);
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < groups; g++) {
      const at = row * survivors + g * keep;
      if (!read(row, g, places, at)) throw damagedIndices(Math.floor(row / TILE_ROWS) * groups + g, groups);
      for (let s = 0; s < keep; s++) places[at + s]! += g * group;
    }
  }
  return places;
}

/** Puts the positions that a row keeps of a group to `places`, from `at` on: false where they are no choice. */
type Reader = (row: number, g: number, places: Int32Array, at: number) => boolean;

const READERS: Readonly<
  Record<'fields' | 'masks' | 'packed', (of: QuantizedLayout, shape: Shape, indices: Uint8Array) => Reader>
> = {
  fields: (layout, _, indices) => (row, g, places, at) => {
    for (let slot = 0; slot < 2; slot++) {
      const [byte, shift] = fieldAt(layout, row, 2 * g + slot);
      places[at + slot] = (indices[byte]! >> shift) & 3;
    }
    return places[at]! < places[at + 1]!;
  },
  masks:
    ({ groups }, { keep, group }, indices) =>
    (row, g, places, at) => {
      const mask = indices[maskAt(groups, row, g)]!;
      let slot = 0;
      for (let m = 0; m < group; m++) {
        if (((mask >> m) & 1) === 0) continue;
        if (slot === keep) return false;
        places[at + slot++] = m;
      }
      return slot === keep;
    },
  packed: ({ packed, groups }, { keep, group }, indices) => {
    const { bits, groupBytes } = packed!;
    let [last, kept] = [-1, undefined as ReturnType<typeof keptOf>];
    return (row, g, places, at) => {
      const index = Math.floor(row / TILE_ROWS) * groups + g;
      if (index !== last) {
        kept = keptOf(indices.subarray(index * groupBytes, (index + 1) * groupBytes), keep, group, bits);
        last = index;
      }
      if (kept === undefined) return false;
      for (const [s, { position }] of kept[row % TILE_ROWS]!.entries()) places[at + s] = position;
      return true;
    };
  },
};

/**
 * The indices of survivors at these positions, `fields` or `masks`; undefined for other layouts, whose indices `pack` makes.
 *
 * @param positions (rows, groups * keep): as `placesOf` gives them
 */
export function indicesOf(shape: Shape, positions: Int32Array): Uint8Array | undefined {
  const { rows, keep, group } = shape;
  const layout = quantizedLayout(shape);
  const { places, tiles, groups } = layout;
  if (places !== 'fields' && places !== 'masks') return undefined;
  const [pieces, bytes] = layout.indices;
  const indices = new Uint8Array(tiles * pieces * bytes);
  const survivors = groups * keep;
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < survivors; n++) {
      const position = positions[row * survivors + n]! % group;
      if (places === 'fields') {
        const [byte, shift] = fieldAt(layout, row, n);
        indices[byte]! |= position << shift;
      } else indices[maskAt(groups, row, Math.floor(n / keep))]! |= 1 << position;
    }
  }
  return indices;
}

/** Where the position of a row's survivor lies: the byte, and its lower bit there. */
function fieldAt({ indices: [sixteens] }: QuantizedLayout, row: number, survivor: number): [number, number] {
  const [tile, lane] = [Math.floor(row / TILE_ROWS), row % TILE_ROWS];
  const word = (tile * sixteens + (survivor >> 4)) * TILE_ROWS + lane;
  return [4 * word + (survivor & 3), 2 * ((survivor >> 2) & 3)];
}

/** Where the mask of a row's group lies. */
function maskAt(groups: number, row: number, g: number): number {
  return (Math.floor(row / TILE_ROWS) * groups + g) * TILE_ROWS + (row % TILE_ROWS);
}
