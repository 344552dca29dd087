import { EsparseError } from '@esparse/errors';

/** How a block is tuned. */
export interface TuneOptions {
  /** Steps of gradient descent at most; 0 leaves everything as it is. @default 300 */
  readonly steps: number;
  /** Of the first step behind the warm-up; it falls to 0 along a cosine. @default 1e-3 */
  readonly learningRate: number;
  /** Share of the steps in which the rate rises first. @default 0 */
  readonly warmUp: number;
  /** Sequences of a step. @default 16 */
  readonly batch: number;
  /** Share of the sequences that is not tuned on, and decides when to stop: at least one. @default 0.1 */
  readonly heldOut: number;
  /** So many times in a row that the held-out sequences show nothing better, of ten, tuning ends; 10 never. @default 3 */
  readonly patience: number;
  /** Whether the error of each token counts as a part of its target's mean square. @default false */
  readonly relative: boolean;
}

export const TUNE_DEFAULTS: TuneOptions = {
  steps: 300,
  learningRate: 1e-3,
  warmUp: 0,
  batch: 16,
  heldOut: 0.1,
  patience: 3,
  relative: false,
};

/** The largest values that are taken: each is far beyond what helps. */
export const TUNE_LIMITS = {
  steps: 1_000_000,
  learningRate: 1,
  warmUp: 0.9,
  batch: 4096,
  heldOut: 0.9,
  patience: 10,
} as const;

/**
 * What is given, and the defaults of what is not.
 * @throws EsparseError 'usage' naming the option that is out of range
 */
export function completeOptions(given: Partial<TuneOptions> = {}): TuneOptions {
  const options = { ...TUNE_DEFAULTS, ...given };
  const { steps, learningRate, warmUp, batch, heldOut, patience } = options;
  requireRange('steps', steps, Number.isInteger(steps) && steps >= 0, 'a whole number from 0');
  requireRange('learningRate', learningRate, learningRate > 0, 'above 0');
  requireRange('warmUp', warmUp, warmUp >= 0, '0');
  requireRange('batch', batch, Number.isInteger(batch) && batch >= 1, 'a whole number from 1');
  requireRange('heldOut', heldOut, heldOut > 0, 'above 0');
  requireRange('patience', patience, Number.isInteger(patience) && patience >= 1, 'a whole number from 1');
  return options;
}

function requireRange(
  option: keyof typeof TUNE_LIMITS,
  value: number,
  isEnough: boolean,
  least: string,
): void {
  if (isEnough && value <= TUNE_LIMITS[option]) return;
  throw new EsparseError('usage', `${option} is ${value}; it must be ${least} to ${TUNE_LIMITS[option]}`);
}
