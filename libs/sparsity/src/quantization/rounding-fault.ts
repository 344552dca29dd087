import { widenReference } from '@esparse/kernels';
import { EVERYTHING, type IntegerWeights, type Survivors } from './integer-weights.ts';
import { survives } from './round-linear.ts';

/** Part of a linear's energy that rounding may take. */
const MAX_LOSS = 0.05;
/**
 * Part of its weights other than 0 that may become 0: of trained ones two fifths do at most (3 bits, a scale for 512). Beside an
 * outlier of a thousand times their size all others do, and that takes next to nothing of the energy, which is the outlier's.
 */
const MAX_ZEROS = 0.5;

/** What rounding does to a linear, or to some of its rows. */
export interface RoundingDamage {
  /** Sums of squares: of what it takes, and of the weights. */
  readonly error: number;
  readonly energy: number;
  /** Weights other than 0, and those of them that become 0. */
  readonly others: number;
  readonly zeros: number;
}

/**
 * Why integers do not fit a linear, as what rounding does to it: then it keeps its 16 bits.
 *
 * @returns such as 'takes 7.1 % of its energy'; undefined where they fit
 */
export function roundingFault(...given: Parameters<typeof roundingDamage>): string | undefined {
  return faultOf([roundingDamage(...given)]);
}

/** The same of a linear that was rounded in pieces. */
export function faultOf(pieces: readonly RoundingDamage[]): string | undefined {
  const sum = (of: (piece: RoundingDamage) => number) =>
    pieces.reduce((total, piece) => total + of(piece), 0);
  const [error, energy] = [sum((piece) => piece.error), sum((piece) => piece.energy)];
  const [zeros, others] = [sum((piece) => piece.zeros), sum((piece) => piece.others)];
  if (error > MAX_LOSS * energy) return `takes ${percent(error / energy)} of its energy`;
  if (zeros > MAX_ZEROS * others) return `makes ${percent(zeros / others)} of its weights zero`;
  return undefined;
}

/** What rounding does to the survivors of a linear, or to all weights. */
export function roundingDamage(
  { integers, scales, span }: IntegerWeights,
  { weights, rows, cols }: { readonly weights: Float32Array; readonly rows: number; readonly cols: number },
  survivors?: Survivors,
): RoundingDamage {
  const size = span * (survivors?.pattern ?? EVERYTHING).group;
  const spans = Math.ceil(cols / size);
  const widths = widenReference('bf16', scales);
  let [error, energy, zeros, others] = [0, 0, 0, 0];
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++) {
      if (survivors !== undefined && !survives(survivors.mask, cols, r, i)) continue;
      const at = r * cols + (survivors?.permutation[i] ?? i);
      const [weight, integer] = [weights[at]!, integers[at]!];
      if (weight === 0) continue;
      energy += weight ** 2;
      error += (weight - integer * widths[r * spans + Math.floor(i / size)]!) ** 2;
      others++;
      if (integer === 0) zeros++;
    }
  }
  return { error, energy, others, zeros };
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
