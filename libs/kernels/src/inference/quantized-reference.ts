/** The readable version of quantized linears: the integers and sums that every instruction set makes, bit for bit. */
import { numberAt, quantizedLayout, scaleAt } from '../runtime/quantized-layout.ts';
import { widenReference } from '../runtime/widen.ts';
import { fusedMultiplyAdd } from './fused-multiply-add.ts';
import type { ReferenceLinear, QuantizedWeights } from './linear.ts';
import { placesOf } from './quantized-places.ts';

const f = Math.fround;
/** Inputs are integers up to this one. */
const MOST = 32767;
/** Below, what an input is divided by has no reciprocal in f32: such inputs are taken as zeros. */
const LEAST = 2 ** -110;
/** 1.5 * 2^23: adding it rounds to a whole number. */
const ROUND = 12582912;

/**
 * Inputs become 16-bit integers: for each token and span of its shuffled inputs x, with m the largest magnitude there,
 * round(x · 32767 / m), and the scale m / 32767. Of each output the products of a span are summed exactly; then one f32 sum
 * takes the spans in their order, by fused multiply-adds of the span's sum (rounded to f32) and the product of both scales;
 * the bias is added last. Where an input of a span is not finite, so are all outputs of its token.
 */
export function quantizedReference(weights: QuantizedWeights): ReferenceLinear {
  const { rows, cols, keep, group, bits, span, codes, permutation, bias } = weights;
  const layout = quantizedLayout(weights);
  const scales = widenReference('bf16', weights.scales);
  const survivors = layout.groups * keep;
  const places = placesOf(weights, weights.indices);
  return {
    rows,
    cols,
    apply(x, tokens, y) {
      for (let t = 0; t < tokens; t++) {
        const inOrder = Float32Array.from({ length: cols }, (_, i) => x[t * cols + (permutation?.[i] ?? i)]!);
        const inputs = quantizeInputs(inOrder, span * group);
        for (let row = 0; row < rows; row++) {
          const exact = new Float64Array(layout.spans);
          for (let n = 0; n < survivors; n++) {
            const position = places[row * survivors + n]!;
            exact[Math.floor(position / (span * group))]! +=
              numberAt(codes, layout, bits, row, n) * inputs.integers[position]!;
          }
          let sum = 0;
          for (let s = 0; s < layout.spans; s++) {
            const scale = scales[scaleAt(layout, row, s)]!;
            sum = fusedMultiplyAdd(f(exact[s]!), f(scale * inputs.scales[s]!), sum);
          }
          y[t * rows + row] = bias === undefined ? sum : sum + bias[row]!;
        }
      }
    },
  };
}

/** One token's inputs as integers, with a scale for every `size` of them. */
function quantizeInputs(x: Float32Array, size: number) {
  const integers = new Int16Array(x.length);
  const scales = new Float32Array(Math.ceil(x.length / size));
  for (let s = 0; s < scales.length; s++) {
    const part = x.subarray(s * size, (s + 1) * size);
    const most = part.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    if (!(most < Infinity)) scales[s] = NaN;
    if (!(most >= LEAST && most < Infinity)) continue;
    scales[s] = f(most / MOST);
    const inverse = f(MOST / most);
    part.forEach((value, i) => {
      integers[s * size + i] = f(f(f(value * inverse) + ROUND) - ROUND);
    });
  }
  return { integers, scales };
}
