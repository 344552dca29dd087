import { EsparseError } from '@esparse/errors';
import { spanOf } from '@esparse/kernels';
import {
  EVERYTHING,
  SCALE_GROUP,
  type IntegerWeights,
  type RoundingOptions,
  type Survivors,
} from './integer-weights.ts';
import { bf16Bits, integerFor, scaleFor } from './round-span.ts';

/** A linear's weights, (rows, cols), in the original order of the channels. */
interface WeightsOf {
  readonly weights: Float32Array;
  readonly rows: number;
  readonly cols: number;
  /** Where they are some of its rows: the first of them, for messages. @default 0 */
  readonly first?: number;
}

/**
 * Rounds each weight that survives to the nearest of its span's numbers.
 *
 * @param survivors all weights, where nothing is pruned
 * @throws EsparseError 'numeric' for a weight that is not finite
 */
export function roundLinear(
  { weights, rows, cols, first = 0 }: WeightsOf,
  { bits, group = SCALE_GROUP }: RoundingOptions,
  survivors?: Survivors,
): IntegerWeights {
  const pattern = survivors?.pattern ?? EVERYTHING;
  const span = spanOf(pattern.keep, group);
  const size = span * pattern.group;
  const spans = Math.ceil(cols / size);
  const integers = new Int8Array(rows * cols);
  const scales = new Uint16Array(rows * spans);
  const kept = new Float32Array(size);
  const places = new Int32Array(size);
  for (let r = 0; r < rows; r++) {
    for (let s = 0; s < spans; s++) {
      let count = 0;
      for (let i = s * size; i < Math.min(cols, (s + 1) * size); i++) {
        if (survivors !== undefined && !survives(survivors.mask, cols, r, i)) continue;
        const at = r * cols + (survivors?.permutation[i] ?? i);
        const weight = weights[at]!;
        if (!Number.isFinite(weight)) throw notFinite(first + r, at - r * cols);
        kept[count] = weight;
        places[count++] = at;
      }
      const scale = scaleFor(kept.subarray(0, count), bits);
      scales[r * spans + s] = bf16Bits(scale);
      for (let k = 0; k < count; k++) integers[places[k]!] = integerFor(kept[k]!, scale, bits);
    }
  }
  return { bits, span, integers, scales };
}

/** Whether a mask keeps position i of a row. */
export function survives(mask: Uint8Array, cols: number, row: number, i: number): boolean {
  return ((mask[row * Math.ceil(cols / 8) + (i >> 3)]! >> (i & 7)) & 1) === 1;
}

function notFinite(row: number, channel: number): EsparseError {
  return new EsparseError('numeric', `the weight of row ${row}, channel ${channel} is not finite`, {
    hint: 'check the checkpoint: integers are made of finite weights alone',
  });
}
