/** The readable version of the linears: the sums that every instruction set makes, bit for bit. */
import { packedLayout, TILE_ROWS } from '../runtime/packed-layout.ts';
import { widenReference } from '../runtime/widen.ts';
import { damagedIndices } from './damaged-indices.ts';
import { fusedMultiplyAdd } from './fused-multiply-add.ts';
import type { DenseWeights, ReferenceLinear, PackedWeights } from './linear.ts';

/** Partial sums of an output of a dense linear. */
const LANES = 16;

/**
 * One f32 sum for each output: fused multiply-adds in the order of groups, then of kept positions; the bias is added last.
 * What was pruned multiplies nothing: an infinite input there leaves no NaN.
 */
export function packedReference(weights: PackedWeights): ReferenceLinear {
  const { dtype, rows, cols, keep, group, indices, permutation, bias } = weights;
  const { bits, tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  const values = widenReference(dtype, weights.values);
  const kept = (index: number) =>
    keptOf(indices.subarray(index * groupBytes, (index + 1) * groupBytes), keep, group, bits);
  for (let index = 0; index < tiles * groups; index++) {
    if (kept(index) === undefined) throw damagedIndices(index, groups);
  }
  return {
    rows,
    cols,
    apply(x, tokens, y) {
      y.fill(0);
      for (let index = 0; index < tiles * groups; index++) {
        const [tile, g] = [Math.floor(index / groups), index % groups];
        kept(index)!.forEach((choice, r) => {
          const row = tile * TILE_ROWS + r;
          if (row >= rows) return;
          for (const { position, at } of choice) {
            const weight = values[index * groupValues + at]!;
            const i = g * group + position;
            const channel = permutation === undefined ? i : permutation[i]!;
            for (let t = 0; t < tokens; t++) {
              y[t * rows + row] = fusedMultiplyAdd(weight, x[t * cols + channel]!, y[t * rows + row]!);
            }
          }
        });
      }
      addBias(y, tokens, rows, bias);
    },
  };
}

/**
 * Sixteen f32 sums for each output: sum l takes the inputs l, l + 16, l + 32 … by fused multiply-adds, inputs and weights
 * padded with zeros to a multiple of 16. Then sum l gets sum l + 8 added, then l + 4, l + 2 and l + 1; the bias is last.
 */
export function denseReference(weights: DenseWeights): ReferenceLinear {
  const { rows, cols, bias } = weights;
  const w = weights.dtype === 'f32' ? weights.weights : widenReference(weights.dtype, weights.weights);
  const sums = new Float32Array(LANES);
  return {
    rows,
    cols,
    apply(x, tokens, y) {
      for (let t = 0; t < tokens; t++) {
        for (let row = 0; row < rows; row++) {
          sums.fill(0);
          for (let k = 0; k < Math.ceil(cols / LANES) * LANES; k++) {
            const [weight, input] = k < cols ? [w[row * cols + k]!, x[t * cols + k]!] : [0, 0];
            sums[k % LANES] = fusedMultiplyAdd(weight, input, sums[k % LANES]!);
          }
          for (let half = LANES / 2; half >= 1; half /= 2) {
            for (let l = 0; l < half; l++) sums[l]! += sums[l + half]!;
          }
          y[t * rows + row] = sums[0]!;
        }
      }
      addBias(y, tokens, rows, bias);
    },
  };
}

function addBias(y: Float32Array, tokens: number, rows: number, bias: Float32Array | undefined): void {
  if (bias === undefined) return;
  for (let i = 0; i < tokens * rows; i++) y[i]! += bias[i % rows]!;
}

/** A kept position of a group, and where its value is among those of the (tile, group). */
interface Kept {
  readonly position: number;
  readonly at: number;
}

/** What each row of a (tile, group) keeps, ascending; undefined where that is no N:M choice. */
export function keptOf(bytes: Uint8Array, keep: number, group: number, bits: number): Kept[][] | undefined {
  const kept = Array.from({ length: TILE_ROWS }, (): Kept[] => []);
  const bit = (at: number) => (bytes[at >> 3]! >> (at & 7)) & 1;
  if (bits === 0) {
    let at = 0;
    for (let position = 0; position < group; position++) {
      kept.forEach((choice, r) => {
        if (bit(position * TILE_ROWS + r) === 1) choice.push({ position, at: at++ });
      });
    }
  } else {
    for (let at = 0; at < keep * TILE_ROWS; at++) {
      let position = 0;
      for (let b = 0; b < bits; b++) position |= bit(at * bits + b) << b;
      kept[at % TILE_ROWS]!.push({ position, at });
    }
  }
  const right = (choice: Kept[]) =>
    choice.length === keep &&
    choice.every(({ position }, s) => position < group && (s === 0 || position > choice[s - 1]!.position));
  return kept.every(right) ? kept : undefined;
}
