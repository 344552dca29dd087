import { maskRowBytes } from './mask.ts';
import { packedLayout, TILE_ROWS } from '../runtime/packed-layout.ts';

/**
 * The readable version of the native `pack`: fills `values` and `indices` (zeros) and returns -1, or the first
 * tile * groups + group whose mask is no N:M choice.
 */
export function packReference(
  weights: Uint16Array,
  mask: Uint8Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
  values: Uint16Array,
  indices: Uint8Array,
): number {
  const { bits, tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  const rowBytes = maskRowBytes(cols);
  /** The kept positions of a row within group g, ascending. */
  const keptIn = (row: number, g: number): number[] => {
    const positions = Array.from({ length: group }, (_, m) => m);
    if (row >= rows) return positions.slice(0, keep);
    return positions.filter((m) => {
      const i = g * group + m;
      return (mask[row * rowBytes + (i >> 3)]! >> (i & 7)) & 1;
    });
  };
  for (let index = 0; index < tiles * groups; index++) {
    const [tile, g] = [Math.floor(index / groups), index % groups];
    const kept = Array.from({ length: TILE_ROWS }, (_, r) => keptIn(tile * TILE_ROWS + r, g));
    if (kept.some((positions) => positions.length !== keep)) return index;
    const weightAt = (r: number, m: number) => {
      const row = tile * TILE_ROWS + r;
      return row < rows ? weights[row * cols + permutation[g * group + m]!]! : 0;
    };
    const bytes = indices.subarray(index * groupBytes, (index + 1) * groupBytes);
    let next = index * groupValues;
    if (bits === 0) {
      for (let m = 0; m < group; m++) {
        for (let r = 0; r < TILE_ROWS; r++) {
          if (!kept[r]!.includes(m)) continue;
          values[next++] = weightAt(r, m);
          setBits(bytes, m * TILE_ROWS + r, 1);
        }
      }
    } else {
      for (let slot = 0; slot < keep; slot++) {
        for (let r = 0; r < TILE_ROWS; r++) {
          const m = kept[r]![slot]!;
          values[next++] = weightAt(r, m);
          setBits(bytes, (slot * TILE_ROWS + r) * bits, m);
        }
      }
    }
  }
  return -1;
}

/**
 * The readable version of the native `unpack`: fills `out` (zeros) and returns -1, or the first
 * tile * groups + group that `pack` cannot have written.
 */
export function unpackReference(
  out: Uint16Array,
  rows: number,
  cols: number,
  permutation: Int32Array,
  keep: number,
  group: number,
  values: Uint16Array,
  indices: Uint8Array,
): number {
  const { bits, tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  for (let index = 0; index < tiles * groups; index++) {
    const [tile, g] = [Math.floor(index / groups), index % groups];
    const bytes = indices.subarray(index * groupBytes, (index + 1) * groupBytes);
    /** What each row of the tile keeps, in the order of the values: positions and where their values are. */
    const kept = Array.from({ length: TILE_ROWS }, (): { m: number; at: number }[] => []);
    let next = index * groupValues;
    if (bits === 0) {
      for (let m = 0; m < group; m++) {
        for (let r = 0; r < TILE_ROWS; r++) {
          if (getBits(bytes, m * TILE_ROWS + r, 1) === 1) kept[r]!.push({ m, at: next++ });
        }
      }
    } else {
      for (let i = 0; i < keep * TILE_ROWS; i++) {
        kept[i % TILE_ROWS]!.push({ m: getBits(bytes, i * bits, bits), at: next++ });
      }
    }
    for (let r = 0; r < TILE_ROWS; r++) {
      const row = tile * TILE_ROWS + r;
      const chosen = kept[r]!;
      const ascending = chosen.every(({ m }, i) => m < group && (i === 0 || m > chosen[i - 1]!.m));
      if (chosen.length !== keep || !ascending) return index;
      if (row < rows) {
        for (const { m, at } of chosen) out[row * cols + permutation[g * group + m]!] = values[at]!;
      } else if (chosen.some(({ m, at }, i) => m !== i || values[at] !== 0)) {
        return index;
      }
    }
  }
  return -1;
}

/** Bit `bit` of a little-endian bit string is bit `bit & 7` of byte `bit >> 3`. */
function setBits(bytes: Uint8Array, bit: number, value: number): void {
  for (let b = bit; value !== 0; b++, value >>= 1) bytes[b >> 3]! |= (value & 1) << (b & 7);
}

function getBits(bytes: Uint8Array, bit: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= ((bytes[(bit + i) >> 3]! >> ((bit + i) & 7)) & 1) << i;
  return value;
}
