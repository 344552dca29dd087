import { pack, quantizedLayout, TILE_ROWS } from '@esparse/kernels';
import { EVERYTHING, type IntegerWeights, type Survivors } from './integer-weights.ts';
import type { QuantizedLinear } from './quantized-linear.ts';
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
  const layout = quantizedLayout({ rows, cols, ...pattern, bits, span });
  const { tiles, pairs, pairBytes, spans } = layout;
  const values = new Uint8Array(tiles * pairs * pairBytes);
  // Of 4 bits, 8 stands for zero.
  if (bits === 4) values.fill(0x88);
  const stored = new Uint16Array(tiles * spans * TILE_ROWS).fill(NO_SCALE);
  for (let r = 0; r < rows; r++) {
    const [tile, lane] = [Math.floor(r / TILE_ROWS), r % TILE_ROWS];
    for (let s = 0; s < spans; s++) {
      stored[(tile * spans + s) * TILE_ROWS + lane] = scales[r * spans + s]!;
    }
    let n = 0;
    for (let i = 0; i < cols; i++) {
      if (survivors !== undefined && !survives(survivors.mask, cols, r, i)) continue;
      const integer = integers[r * cols + (survivors?.permutation[i] ?? i)]!;
      const pair = (tile * pairs + (n >> 1)) * TILE_ROWS + lane;
      if (bits === 8) values[2 * pair + (n & 1)] = integer & 255;
      else values[pair] = (values[pair]! & (n % 2 === 0 ? 0xf0 : 0x0f)) | ((integer + 8) << (4 * (n & 1)));
      n++;
    }
  }
  return {
    encoding: 'quantized-v1',
    ...{ bits, rows, cols, pattern, span, tileRows: TILE_ROWS, values, scales: stored },
    indices: survivors && (await indicesOf(rows, cols, survivors)),
    permutation: survivors?.permutation,
  };
}

/** Where survivors stand, as in a packed linear. */
async function indicesOf(
  rows: number,
  cols: number,
  { mask, permutation, pattern: { keep, group } }: Survivors,
): Promise<Uint8Array> {
  const { indices } = await pack(new Uint16Array(rows * cols), rows, cols, permutation, mask, keep, group);
  return indices;
}
