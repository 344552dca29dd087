import type { ArrayInput } from '../array-types.ts';
import type { Attributes } from '../sealed-document.ts';

/** A linear packed by hand, slowly and readably, from docs/store-format.md. */
export interface PackedByHand {
  readonly attributes: Attributes;
  readonly values: ArrayInput;
  readonly indices: ArrayInput;
}

/**
 * Packs weights of which `kept(row, position)` survive, in shuffled order.
 *
 * @param weight the 16 bits of the weight of a row at a shuffled position
 */
export function packByHand(
  encoding: 'index-v1' | 'mask-v1',
  shape: { rows: number; cols: number; keep: number; group: number },
  kept: (row: number, position: number) => boolean,
  weight: (row: number, position: number) => number,
): PackedByHand {
  const { rows, cols, keep, group } = shape;
  const tiles = Math.ceil(rows / 16);
  const groups = cols / group;
  const bits = Math.max(1, Math.ceil(Math.log2(group)));
  const bytes = encoding === 'index-v1' ? keep * 2 * bits : 2 * group;
  const values = new Uint16Array(tiles * groups * 16 * keep);
  const indices = new Uint8Array(tiles * groups * bytes);
  for (let tile = 0; tile < tiles; tile++) {
    for (let g = 0; g < groups; g++) {
      const at = tile * groups + g;
      const setBit = (bit: number): void => {
        indices[at * bytes + (bit >> 3)]! |= 1 << (bit & 7);
      };
      let next = at * 16 * keep;
      if (encoding === 'mask-v1') {
        for (let m = 0; m < group; m++) {
          for (let r = 0; r < 16 && tile * 16 + r < rows; r++) {
            const row = tile * 16 + r;
            if (!kept(row, g * group + m)) continue;
            setBit(m * 16 + r);
            values[next++] = weight(row, g * group + m);
          }
        }
        continue;
      }
      for (let r = 0; r < 16 && tile * 16 + r < rows; r++) {
        const row = tile * 16 + r;
        let slot = 0;
        for (let m = 0; m < group; m++) {
          if (!kept(row, g * group + m)) continue;
          values[next + slot * 16 + r] = weight(row, g * group + m);
          for (let b = 0; b < bits; b++) if ((m >> b) & 1) setBit(slot * 16 * bits + r * bits + b);
          slot++;
        }
      }
    }
  }
  return {
    attributes: { encoding, ...shape, tileRows: 16, dtype: 'bf16' },
    values: { data: values, shape: [tiles, groups, 16 * keep] },
    indices: { data: indices, shape: [tiles, groups, bytes] },
  };
}
