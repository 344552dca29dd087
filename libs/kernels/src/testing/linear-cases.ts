import { uniform } from '@esparse/laws';
import { keptOf } from '../inference/linear-reference.ts';
import { indicesOf } from '../inference/quantized-places.ts';
import type { DenseWeights, PackedWeights, QuantizedWeights } from '../inference/linear.ts';
import {
  putNumber,
  quantizedLayout,
  spanOf,
  VECTOR_BYTES,
  type QuantizedBits,
  type QuantizedShape,
} from '../runtime/quantized-layout.ts';
import { maskRowBytes } from '../pruning/mask.ts';
import { packReference } from '../pruning/pack-reference.ts';
import { packedLayout } from '../runtime/packed-layout.ts';
import type { HalfDtype } from '../runtime/widen.ts';

export interface PackedCase {
  readonly rows: number;
  readonly groups: number;
  readonly keep: number;
  readonly group: number;
  readonly dtype: HalfDtype;
  readonly shuffled: boolean;
  readonly biased: boolean;
  /** Also weights that are NaN, infinite, zero of both signs or subnormal. */
  readonly odd: boolean;
  readonly seed: number;
}

/** A packed linear with random weights, of which a random N of M are kept. */
export function packedCase({ rows, groups, keep, group, dtype, ...rest }: PackedCase): PackedWeights {
  const random = uniform(rest.seed);
  const cols = groups * group;
  const permutation = Int32Array.from({ length: cols }, (_, i) => i);
  if (rest.shuffled) shuffle(permutation, random);
  const dense = randomHalves(rows * cols, dtype, rest.odd, random);
  const mask = new Uint8Array(rows * maskRowBytes(cols));
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < groups; g++) {
      const positions = Int32Array.from({ length: group }, (_, m) => m);
      shuffle(positions, random);
      for (const m of positions.subarray(0, keep)) {
        const i = g * group + m;
        mask[row * maskRowBytes(cols) + (i >> 3)]! |= 1 << (i & 7);
      }
    }
  }
  const { tiles, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  const values = new Uint16Array(tiles * groups * groupValues);
  const indices = new Uint8Array(tiles * groups * groupBytes);
  packReference(dense, mask, rows, cols, permutation, keep, group, values, indices);
  return {
    kind: 'packed',
    dtype,
    rows,
    cols,
    keep,
    group,
    values,
    indices,
    permutation: rest.shuffled ? permutation : undefined,
    bias: rest.biased ? randomFloats(rows, random) : undefined,
  };
}

export interface QuantizedCase extends Omit<PackedCase, 'dtype' | 'odd'> {
  readonly bits: QuantizedBits;
  /** Survivors that share a scale, at most. */
  readonly survivors: number;
}

/** A quantized linear with any codes and scales; of pattern 1:1 nothing is pruned, and nothing shuffled. */
export function quantizedCase({ bits, survivors, ...input }: QuantizedCase): QuantizedWeights {
  const { rows, groups, keep, group, seed } = input;
  const random = uniform(seed);
  const cols = groups * group;
  const shape = { rows, cols, keep, group, bits, span: spanOf(keep, survivors) };
  const { tiles, vectors, spans } = quantizedLayout(shape);
  const packed = group === 1 ? undefined : packedCase({ ...input, dtype: 'bf16', odd: false });
  return {
    kind: 'quantized',
    ...shape,
    codes: codesOf(shape, tiles * vectors * VECTOR_BYTES, random),
    scales: randomHalves(tiles * spans * 16, 'bf16', false, random),
    indices: packed && (indicesOf(shape, keptIn(packed)) ?? packed.indices),
    permutation: packed?.permutation,
    bias: input.biased ? randomFloats(rows, random) : undefined,
  };
}

/** Any numbers for the survivors, none beyond the last. */
function codesOf(shape: QuantizedShape, bytes: number, random: () => number): Uint8Array {
  const { rows, cols, keep, group, bits } = shape;
  const layout = quantizedLayout(shape);
  const codes = new Uint8Array(bytes);
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < (cols / group) * keep; n++) {
      putNumber(codes, layout, bits, { row, survivor: n, integer: Math.floor(random() * 2 ** bits) });
    }
  }
  return codes;
}

/** The positions that a packed linear keeps, row after row. */
function keptIn({ rows, cols, keep, group, indices }: PackedWeights): Int32Array {
  const { bits, tiles, groups, groupBytes } = packedLayout(rows, cols, keep, group);
  const kept = Array.from({ length: tiles * groups }, (_, index) =>
    keptOf(indices.subarray(index * groupBytes, (index + 1) * groupBytes), keep, group, bits),
  );
  return Int32Array.from({ length: rows * groups * keep }, (_, at) => {
    const [row, n] = [Math.floor(at / (groups * keep)), at % (groups * keep)];
    return kept[(row >> 4) * groups + Math.floor(n / keep)]![row & 15]![n % keep]!.position;
  });
}

export interface DenseCase {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: HalfDtype | 'f32';
  readonly biased: boolean;
  readonly odd: boolean;
  readonly seed: number;
}

export function denseCase({ rows, cols, dtype, biased, odd, seed }: DenseCase): DenseWeights {
  const random = uniform(seed);
  const bias = biased ? randomFloats(rows, random) : undefined;
  if (dtype === 'f32') {
    return { kind: 'dense', dtype, rows, cols, bias, weights: randomFloats(rows * cols, random) };
  }
  return { kind: 'dense', dtype, rows, cols, bias, weights: randomHalves(rows * cols, dtype, odd, random) };
}

/** From -1 to 1, with all the bits that an f32 has. */
export function randomFloats(count: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => (random() - 0.5) * 2 ** (2 - 8 * random()));
}

/** Inputs; every seventh is an odd one if so asked: NaN, infinite, zero of both signs, subnormal or huge. */
export function randomInputs(count: number, odd: boolean, random: () => number): Float32Array {
  const strange = [NaN, Infinity, -Infinity, 0, -0, 1e-42, 3e38];
  return randomFloats(count, random).map((x) =>
    odd && random() < 1 / 7 ? strange[Math.floor(random() * strange.length)]! : x,
  );
}

function randomHalves(count: number, dtype: HalfDtype, odd: boolean, random: () => number): Uint16Array {
  // The upper bits of the exponent are those of numbers around one, unless any pattern will do.
  const [mask, set] = dtype === 'bf16' ? [0x83ff, 0x3c00] : [0xbfff, 0];
  const zeros = [0, 0x8000, 1, dtype === 'bf16' ? 0x7f80 : 0x7c00];
  return Uint16Array.from({ length: count }, () => {
    const bits = Math.floor(random() * 0x10000);
    if (odd && random() < 0.1) return random() < 0.5 ? bits : zeros[bits & 3]!;
    return (bits & mask) | set;
  });
}

function shuffle(array: Int32Array, random: () => number): void {
  for (let i = array.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [array[i], array[j]] = [array[j]!, array[i]!];
  }
}

/** The bits of f32, every NaN as the same one: instruction sets differ in its sign and payload. */
export function bitsOf(values: Float32Array): Uint32Array {
  const bits = new Uint32Array(values.slice().buffer);
  return bits.map((pattern, i) => (Number.isNaN(values[i]!) ? 0x7fc00000 : pattern));
}
