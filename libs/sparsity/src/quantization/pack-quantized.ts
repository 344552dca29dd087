import {
  indicesOf,
  pack,
  putNumber,
  quantizedLayout,
  scaleAt,
  TILE_ROWS,
  VECTOR_BYTES,
} from '@esparse/kernels';
import { EVERYTHING, type IntegerWeights, type Survivors } from './integer-weights.ts';
import { QUANTIZED, type QuantizedLinear } from './quantized-linear.ts';
import { survives } from './round-linear.ts';
import { bf16Bits } from './round-span.ts';

/** The scale of rows that only fill up the last tile. */
const NO_SCALE = bf16Bits(1);

/**
 * Packs the integers of survivors, or of all weights where nothing is pruned.
 *
 * @throws EsparseError 'usage' where the mask does not keep exactly N of every M
 */
export async function packQuantized(
  { bits, span, integers, scales }: IntegerWeights,
  { rows, cols }: { readonly rows: number; readonly cols: number },
  survivors?: Survivors,
): Promise<QuantizedLinear> {
  const pattern = survivors?.pattern ?? EVERYTHING;
  const shape = { rows, cols, ...pattern, bits, span };
  const layout = quantizedLayout(shape);
  const { tiles, vectors, spans } = layout;
  const values = new Uint8Array(tiles * vectors * VECTOR_BYTES);
  const stored = new Uint16Array(tiles * spans * TILE_ROWS).fill(NO_SCALE);
  const each = (cols / pattern.group) * pattern.keep;
  const positions = new Int32Array(survivors === undefined ? 0 : rows * each);
  for (let r = 0; r < rows; r++) {
    for (let s = 0; s < spans; s++) stored[scaleAt(layout, r, s)] = scales[r * spans + s]!;
    let n = 0;
    for (let i = 0; i < cols; i++) {
      if (survivors !== undefined && !survives(survivors.mask, cols, r, i)) continue;
      const integer = integers[r * cols + (survivors?.permutation[i] ?? i)]!;
      putNumber(values, layout, bits, { row: r, survivor: n, integer });
      if (survivors !== undefined) positions[r * each + n] = i;
      n++;
    }
  }
  return {
    encoding: QUANTIZED,
    ...{ bits, rows, cols, pattern, span, tileRows: TILE_ROWS, values, scales: stored },
    indices: survivors && (indicesOf(shape, positions) ?? (await packedIndices(rows, cols, survivors))),
    permutation: survivors?.permutation,
  };
}

/** Where survivors stand, as in a packed linear. */
async function packedIndices(
  rows: number,
  cols: number,
  { mask, permutation, pattern: { keep, group } }: Survivors,
): Promise<Uint8Array> {
  const { indices } = await pack(new Uint16Array(rows * cols), rows, cols, permutation, mask, keep, group);
  return indices;
}
