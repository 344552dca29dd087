import { numberAt, placesOf, quantizedLayout, scaleAt, widenReference } from '@esparse/kernels';
import { checkQuantizedLinear, type QuantizedLinear } from './quantized-linear.ts';

/**
 * The dense f32 weights (rows, cols) of a quantized linear, in the original channel order, pruned ones zero: exact, an
 * integer times its scale has no more bits than an f32.
 *
 * @throws EsparseError 'store' where its arrays are not what `packQuantized` writes
 */
export function unpackQuantized(linear: QuantizedLinear): Float32Array {
  checkQuantizedLinear(linear);
  const { rows, cols, pattern, bits, span, permutation, values } = linear;
  const shape = { rows, cols, ...pattern, bits, span };
  const layout = quantizedLayout(shape);
  const places = placesOf(shape, linear.indices);
  const scales = widenReference('bf16', linear.scales);
  const out = new Float32Array(rows * cols);
  const survivors = layout.groups * pattern.keep;
  for (let r = 0; r < rows; r++) {
    for (let n = 0; n < survivors; n++) {
      const i = places[r * survivors + n]!;
      const scale = scales[scaleAt(layout, r, Math.floor(i / (span * pattern.group)))]!;
      out[r * cols + (permutation?.[i] ?? i)] = numberAt(values, layout, bits, r, n) * scale;
    }
  }
  return out;
}

/** Which weights are kept, as `keptIn` gives it; undefined where all are. */
export function keptInQuantized(linear: QuantizedLinear): Uint8Array | undefined {
  checkQuantizedLinear(linear);
  const { rows, cols, pattern, bits, span, indices, permutation } = linear;
  if (indices === undefined || permutation === undefined) return undefined;
  const kept = new Uint8Array(rows * cols);
  const survivors = (cols / pattern.group) * pattern.keep;
  placesOf({ rows, cols, ...pattern, bits, span }, indices).forEach((i, at) => {
    kept[Math.floor(at / survivors) * cols + permutation[i]!] = 1;
  });
  return kept;
}
