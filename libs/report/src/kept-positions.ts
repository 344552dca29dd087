import { EsparseError } from '@esparse/errors';
import type { LinearAttributes } from '@esparse/model-store';
import type { PackedEncoding } from '@esparse/sparsity';

/** Where the kept weights of a linear are: its indices, without its values. */
export interface Indices extends Pick<LinearAttributes, 'rows' | 'cols' | 'keep' | 'group'> {
  readonly encoding: PackedEncoding;
  /** As the store has them: see docs/store-format.md. */
  readonly bytes: Uint8Array;
}

export const TILE_ROWS = 16;

/**
 * Calls `visit` for every kept weight of a tile of 16 rows, with its row within the linear and its position in the shuffled
 * order.
 */
export function visitTile(
  indices: Indices,
  tile: number,
  visit: (row: number, position: number) => void,
): void {
  const { encoding, rows, cols, keep, group, bytes } = indices;
  const groups = cols / group;
  const groupBytes = bytesOfGroup(indices);
  const first = tile * TILE_ROWS;
  const height = Math.min(TILE_ROWS, rows - first);
  for (let g = 0; g < groups; g++) {
    const at = (tile * groups + g) * groupBytes;
    if (encoding === 'mask-v1') {
      for (let m = 0; m < group; m++) {
        const word = bytes[at + 2 * m]! | (bytes[at + 2 * m + 1]! << 8);
        for (let r = 0; r < height; r++) if ((word >> r) & 1) visit(first + r, g * group + m);
      }
      continue;
    }
    const bits = bitsOf(group);
    for (let slot = 0; slot < keep; slot++) {
      for (let r = 0; r < height; r++) {
        const bit = r * bits;
        const from = at + slot * 2 * bits + (bit >> 3);
        // A field of at most 4 bits lies in two bytes at most.
        const word = bytes[from]! | ((bytes[from + 1] ?? 0) << 8);
        visit(first + r, g * group + ((word >> (bit & 7)) & ((1 << bits) - 1)));
      }
    }
  }
}

/**
 * How many rows keep each position of the shuffled order.
 *
 * @param what names run, block and linear in messages
 * @throws EsparseError 'store' where the indices are of another size than the linear
 */
export function keptByPosition(indices: Indices, what: string): Uint32Array {
  const { encoding, rows, cols, keep, group, bytes } = indices;
  const tiles = Math.ceil(rows / TILE_ROWS);
  const expected = (tiles * cols * bytesOfGroup(indices)) / group;
  if (bytes.length !== expected) {
    throw new EsparseError('store', `${what}: its indices have ${bytes.length} bytes instead of ${expected}`);
  }
  const counts = new Uint32Array(cols);
  // The last tile may have rows that are not there.
  const whole = Math.floor(rows / TILE_ROWS);
  if (encoding === 'index-v1' && bitsOf(group) === 2) {
    countPairs(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), whole, counts, keep, group);
  } else if (encoding === 'mask-v1') {
    countMasks(new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2), whole, counts);
  } else {
    for (let tile = 0; tile < whole; tile++) countTile(indices, tile, counts);
  }
  for (let tile = whole; tile < tiles; tile++) countTile(indices, tile, counts);
  return counts;
}

function countTile(indices: Indices, tile: number, counts: Uint32Array): void {
  visitTile(indices, tile, (_, position) => counts[position]!++);
}

/** Words of 16 two-bit positions, one word a slot: 2:4, 1:4 and 1:3. */
function countPairs(
  words: Uint32Array,
  tiles: number,
  counts: Uint32Array,
  keep: number,
  group: number,
): void {
  const groups = counts.length / group;
  const LOW = 0x55555555;
  let at = 0;
  for (let tile = 0; tile < tiles; tile++) {
    for (let g = 0; g < groups; g++) {
      let [one, two, three] = [0, 0, 0];
      for (let slot = 0; slot < keep; slot++) {
        const word = words[at++]!;
        const low = word & LOW;
        const high = (word >>> 1) & LOW;
        const both = low & high;
        one += ones(low ^ both);
        two += ones(high ^ both);
        three += ones(both);
      }
      const position = g * group;
      counts[position]! += TILE_ROWS * keep - one - two - three;
      counts[position + 1]! += one;
      counts[position + 2]! += two;
      if (group > 3) counts[position + 3]! += three;
    }
  }
}

/** Words of a bit a row, one a position. */
function countMasks(words: Uint16Array, tiles: number, counts: Uint32Array): void {
  let at = 0;
  for (let tile = 0; tile < tiles; tile++) {
    for (let position = 0; position < counts.length; position++) counts[position]! += ones(words[at++]!);
  }
}

/** How many bits of a word are set. */
function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function bitsOf(group: number): number {
  return Math.max(1, Math.ceil(Math.log2(group)));
}

function bytesOfGroup({ encoding, keep, group }: Pick<Indices, 'encoding' | 'keep' | 'group'>): number {
  return encoding === 'mask-v1' ? 2 * group : 2 * bitsOf(group) * keep;
}
