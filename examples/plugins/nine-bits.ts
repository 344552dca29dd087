/**
 * An encoding of one's own: of 2:4 a group of four weights is nine bits. Two of four survive in six ways, each as a whole number
 * from -4 to 3, and 6 x 8 x 8 = 384 of 512: 2.25 bits a weight, where positions of two bits and numbers of three take 2.5. With a
 * scale for 32 survivors it is 2.5 bits, all counted.
 *
 *   npx esparse prune --pipeline e-sparse-reconstruct --encoding examples/plugins/nine-bits.ts \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/nine.zarr
 *   npx esparse eval --encoding examples/plugins/nine-bits.ts --store out/nine.zarr --text examples/text/evaluation.txt
 */
import { defineEncoding, EsparseError, narrow, type SurvivorShape } from '@esparse/api';

/** Survivors that share a scale. */
const SPAN = 32;
/** The choices of two of four, in the order of their numbers. */
const CHOICES = [
  [0, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 3],
] as const;
/** Scales that are tried, as parts of the one that cuts nothing off: few bits gain by cutting the largest weight. */
const SHRINKS = [1, 0.93, 0.86, 0.8, 0.73, 0.66];
/** The least normal bf16, for weights that are all zero. */
const LEAST = 2 ** -126;

const groupsOf = ({ cols }: SurvivorShape) => cols / 4;
const spansOf = ({ each }: SurvivorShape) => Math.ceil(each / SPAN);

export default defineEncoding({
  name: 'nine-bits',
  values: 'nine bits',
  arrays(shape) {
    const { rows, pattern } = shape;
    if (pattern.keep !== 2 || pattern.group !== 4)
      throw new EsparseError('unsupported', `nine-bits is for 2:4, not ${pattern.keep}:${pattern.group}`);
    return {
      // The lower eight bits of each group's code, and the ninth ones, eight groups to a byte.
      values: { type: 'uint8', shape: [rows, groupsOf(shape)] },
      ninths: { type: 'uint8', shape: [rows, Math.ceil(groupsOf(shape) / 8)] },
      scales: { type: 'uint16', shape: [rows, spansOf(shape)], dtype: 'bf16' },
    };
  },
  encode({ values: weights, positions, ...shape }) {
    const { rows, each } = shape;
    const [groups, spans] = [groupsOf(shape), spansOf(shape)];
    const values = new Uint8Array(rows * groups);
    const ninths = new Uint8Array(rows * Math.ceil(groups / 8));
    const scales = new Uint16Array(rows * spans);
    for (let r = 0; r < rows; r++) {
      const row = weights.subarray(r * each, (r + 1) * each);
      for (let s = 0; s < spans; s++)
        scales[r * spans + s] = scaleFor(row.subarray(s * SPAN, (s + 1) * SPAN));
      for (let g = 0; g < groups; g++) {
        const [first, second] = [2 * g, 2 * g + 1];
        const choice = CHOICES.findIndex(
          ([a, b]) => positions[r * each + first]! % 4 === a && positions[r * each + second]! % 4 === b,
        );
        const scale = fromBf16(scales[r * spans + Math.floor(first / SPAN)]!);
        const code = 64 * choice + 8 * (integer(row[first]!, scale) + 4) + integer(row[second]!, scale) + 4;
        values[r * groups + g] = code & 255;
        ninths[r * Math.ceil(groups / 8) + (g >> 3)]! |= (code >> 8) << (g & 7);
      }
    }
    return { values, ninths, scales };
  },
  decode(shape, { values, ninths, scales }) {
    const { rows, each } = shape;
    const [groups, spans] = [groupsOf(shape), spansOf(shape)];
    const weights = new Float32Array(rows * each);
    const positions = new Int32Array(rows * each);
    for (let at = 0; at < rows * groups; at++) {
      const [r, g] = [Math.floor(at / groups), at % groups];
      const ninth = (ninths![r * Math.ceil(groups / 8) + (g >> 3)]! >> (g & 7)) & 1;
      const code = values![at]! + 256 * ninth;
      const choice = CHOICES[code >> 6];
      const scale = fromBf16(scales![r * spans + Math.floor((2 * g) / SPAN)]!);
      if (choice === undefined || scale === 0 || !Number.isFinite(scale))
        throw new EsparseError('store', `row ${r}, group ${g} has a code or a scale that is none`);
      const numbers = [((code >> 3) & 7) - 4, (code & 7) - 4];
      for (let slot = 0; slot < 2; slot++) {
        weights[r * each + 2 * g + slot] = numbers[slot]! * scale;
        positions[r * each + 2 * g + slot] = 4 * g + choice[slot]!;
      }
    }
    return { values: weights, positions };
  },
});

/** The bits of the scale, of either sign, with the least squared error. */
function scaleFor(weights: Float32Array): number {
  const extreme = weights.reduce((most, weight) => (Math.abs(weight) > Math.abs(most) ? weight : most), 0);
  let [best, least] = [bf16(LEAST), Infinity];
  for (const shrink of SHRINKS) {
    for (const sign of [-1, 1]) {
      const bits = bf16((sign * shrink * extreme) / 4);
      const scale = fromBf16(bits);
      if (Math.abs(scale) < LEAST) continue;
      const error = weights.reduce((sum, weight) => sum + (weight - scale * integer(weight, scale)) ** 2, 0);
      if (error < least) [best, least] = [bits, error];
    }
  }
  return best;
}

function integer(weight: number, scale: number): number {
  return Math.max(-4, Math.min(3, Math.round(weight / scale)));
}

function bf16(value: number): number {
  return narrow('bf16', Float32Array.of(value))[0]!;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

function fromBf16(bits: number): number {
  word[0] = bits << 16;
  return float[0]!;
}
