/** The readable version of quantized linears: the integers and sums that every instruction set makes, bit for bit. */
import { quantizedLayout, type QuantizedLayout } from '../runtime/quantized-layout.ts';
import { TILE_ROWS } from '../runtime/packed-layout.ts';
import { widenReference } from '../runtime/widen.ts';
import { damagedIndices } from './damaged-indices.ts';
import { fusedMultiplyAdd } from './fused-multiply-add.ts';
import type { Linear, QuantizedWeights } from './linear.ts';
import { keptOf } from './linear-reference.ts';

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
export function quantizedReference(weights: QuantizedWeights): Linear {
  const { rows, cols, group, span, permutation, bias } = weights;
  const layout = quantizedLayout(weights);
  const scales = widenReference('bf16', weights.scales);
  const survivors = survivorsOf(weights, layout);
  return {
    rows,
    cols,
    apply(x, tokens, y) {
      for (let t = 0; t < tokens; t++) {
        const inOrder = Float32Array.from({ length: cols }, (_, i) => x[t * cols + (permutation?.[i] ?? i)]!);
        const inputs = quantizeInputs(inOrder, span * group);
        for (let row = 0; row < rows; row++) {
          const exact = new Float64Array(layout.spans);
          for (const { position, number } of survivors[row]!) {
            exact[Math.floor(position / (span * group))]! += number * inputs.integers[position]!;
          }
          const [tile, lane] = [Math.floor(row / TILE_ROWS), row % TILE_ROWS];
          let sum = 0;
          for (let s = 0; s < layout.spans; s++) {
            const scale = scales[(tile * layout.spans + s) * TILE_ROWS + lane]!;
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

/** A survivor: where it stands in the shuffled order, and its number. */
interface Survivor {
  readonly position: number;
  readonly number: number;
}

/** The survivors of each row. @throws EsparseError 'store' where the indices are no N:M choice */
function survivorsOf(weights: QuantizedWeights, { packed, groups, pairs }: QuantizedLayout): Survivor[][] {
  const { rows, keep, group, bits, codes, indices } = weights;
  const choices = (tile: number, g: number) => {
    if (packed === undefined || indices === undefined) return undefined;
    const [index, size] = [tile * groups + g, packed.groupBytes];
    const kept = keptOf(indices.subarray(index * size, (index + 1) * size), keep, group, packed.bits);
    if (kept === undefined) throw damagedIndices(index, groups);
    return kept;
  };
  const survivors = Array.from({ length: rows }, (): Survivor[] => []);
  for (let tile = 0; tile < Math.ceil(rows / TILE_ROWS); tile++) {
    for (let g = 0; g < groups; g++) {
      const kept = choices(tile, g);
      for (let lane = 0; lane < TILE_ROWS && tile * TILE_ROWS + lane < rows; lane++) {
        const row = survivors[tile * TILE_ROWS + lane]!;
        for (const { position } of kept?.[lane] ?? [{ position: 0 }]) {
          const n = row.length;
          const number = numberAt(codes, bits, (tile * pairs + (n >> 1)) * TILE_ROWS + lane, n & 1);
          row.push({ position: g * group + position, number });
        }
      }
    }
  }
  return survivors;
}

/** What the first (0) or second (1) code of a pair stands for, pairs being counted over all rows of all tiles. */
export function numberAt(
  codes: Uint8Array,
  bits: QuantizedWeights['bits'],
  pair: number,
  which: number,
): number {
  if (bits === 8) return (codes[2 * pair + which]! << 24) >> 24;
  return ((codes[pair]! >> (4 * which)) & 15) - 8;
}
