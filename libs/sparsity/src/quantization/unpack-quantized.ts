import { EsparseError } from '@esparse/errors';
import { narrow, quantizedLayout, TILE_ROWS, widenReference, type HalfDtype } from '@esparse/kernels';
import type { PackedLinear } from '../packed-linear.ts';
import { keptBy, unpackLinear } from '../unpack-linear.ts';
import { checkQuantizedLinear, type QuantizedLinear } from './quantized-linear.ts';

/**
 * The dense f32 weights (rows, cols) of a quantized linear, in the original channel order, pruned ones zero: exact, an
 * integer times its scale has no more bits than an f32.
 *
 * @throws EsparseError 'store' where its arrays are not what `packQuantized` writes
 */
export async function unpackQuantized(linear: QuantizedLinear): Promise<Float32Array> {
  const kept = await keptInQuantized(linear);
  const { rows, cols, pattern, bits, span, permutation, values } = linear;
  const { pairs, spans } = quantizedLayout({ rows, cols, ...pattern, bits, span });
  const scales = widenReference('bf16', linear.scales);
  const wrong = scales.findIndex((scale) => scale === 0 || !Number.isFinite(scale));
  if (wrong >= 0) throw noScale(wrong, spans);
  const out = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const [tile, lane] = [Math.floor(r / TILE_ROWS), r % TILE_ROWS];
    let n = 0;
    for (let i = 0; i < cols; i++) {
      const at = r * cols + (permutation?.[i] ?? i);
      if (kept?.[at] === 0) continue;
      const pair = (tile * pairs + (n >> 1)) * TILE_ROWS + lane;
      const integer =
        bits === 8 ? (values[2 * pair + (n & 1)]! << 24) >> 24 : ((values[pair]! >> (4 * (n & 1))) & 15) - 8;
      const s = Math.floor(i / (span * pattern.group));
      out[at] = integer * scales[(tile * spans + s) * TILE_ROWS + lane]!;
      n++;
    }
  }
  return out;
}

/** The dense weights of a linear as the bits of a 16-bit type: exact where it is packed, rounded where it is quantized. */
export async function unpackToHalf(
  linear: PackedLinear | QuantizedLinear,
  dtype: HalfDtype,
): Promise<Uint16Array> {
  return linear.encoding === 'quantized-v1'
    ? narrow(dtype, await unpackQuantized(linear))
    : unpackLinear(linear);
}

/** Which weights are kept, as `keptIn` gives it; undefined where all are. */
export async function keptInQuantized(linear: QuantizedLinear): Promise<Uint8Array | undefined> {
  checkQuantizedLinear(linear);
  const { rows, cols, pattern, indices, permutation } = linear;
  if (indices === undefined || permutation === undefined) return undefined;
  return keptBy(indices, { rows, cols, pattern, permutation });
}

function noScale(at: number, spans: number): EsparseError {
  const [tile, span] = [Math.floor(at / TILE_ROWS / spans), Math.floor(at / TILE_ROWS) % spans];
  const row = tile * TILE_ROWS + (at % TILE_ROWS);
  return new EsparseError('store', `the scale of row ${row}, span ${span} is zero or not finite`, {
    hint: 'the store is damaged: verify it',
    context: { row, span },
  });
}
