import { EsparseError } from '@esparse/errors';
import { addon } from '../addon.ts';
import { inHugePages } from '../runtime/huge-pages.ts';
import { checkLength, checkMatrix } from '../runtime/shuffled-matrix.ts';
import { widenReference, type HalfDtype } from '../runtime/widen.ts';

/**
 * The score of each weight, |W_ij| * importance_j, in f32.
 *
 * @param weights (rows, cols), 16-bit floating point as its bits
 * @param importance one factor per input channel (cols)
 * @returns (rows, cols)
 * @throws EsparseError 'numeric' where a score is NaN or infinite: it names the row and the channel
 */
export async function scoreByChannel(
  dtype: HalfDtype,
  weights: Uint16Array,
  rows: number,
  cols: number,
  importance: Float32Array,
): Promise<Float32Array> {
  checkMatrix('weights', weights.length, rows, cols);
  checkLength('importance', importance.length, cols);
  const native = addon();
  if (native === null) return scoreByChannelReference(dtype, weights, rows, cols, importance);
  const out = inHugePages(new Float32Array(rows * cols));
  if (!(await native.scoreByChannel({ dtype, weights, rows, cols, importance, out }))) {
    refuseNotFinite(out, cols);
  }
  return out;
}

/** The readable version of `scoreByChannel`. */
export function scoreByChannelReference(
  dtype: HalfDtype,
  weights: Uint16Array,
  rows: number,
  cols: number,
  importance: Float32Array,
): Float32Array {
  const scores = widenReference(dtype, weights);
  for (let i = 0; i < rows * cols; i++) scores[i] = Math.abs(scores[i]!) * importance[i % cols]!;
  refuseNotFinite(scores, cols);
  return scores;
}

function refuseNotFinite(scores: Float32Array, cols: number): void {
  const i = scores.findIndex((score) => !Number.isFinite(score));
  if (i === -1) return;
  const [row, channel] = [Math.floor(i / cols), i % cols];
  throw new EsparseError(
    'numeric',
    `the score of the weight at row ${row}, channel ${channel} is ${scores[i]!}`,
    {
      hint: 'check the checkpoint and the calibration text: weights and statistics must be finite and not huge',
      context: { row, channel },
    },
  );
}

/**
 * The mean of each column of (rows, cols) f32, in f64: rows are added in order, whatever the threads.
 *
 * @returns (cols), NaN where there are no rows
 */
export async function channelMeans(scores: Float32Array, rows: number, cols: number): Promise<Float64Array> {
  checkMatrix('scores', scores.length, rows, cols);
  const native = addon();
  if (native === null) return channelMeansReference(scores, rows, cols);
  const out = new Float64Array(cols);
  await native.channelMeans({ scores, rows, cols, out });
  return out;
}

/** The readable version of `channelMeans`. */
export function channelMeansReference(scores: Float32Array, rows: number, cols: number): Float64Array {
  const sums = new Float64Array(cols);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < cols; j++) sums[j]! += scores[r * cols + j]!;
  }
  return sums.map((sum) => sum / rows);
}

/** So few scores are looked at in less time than a job takes to begin. */
const FEW = 4096;

/** The first score that is no finite number from 0; -1 where all are. Of few at once. */
export function findUnsound(scores: Float32Array): number | Promise<number> {
  const native = addon();
  if (native === null || scores.length < FEW) return findUnsoundReference(scores);
  return native.checkScores({ scores }).then((sound) => (sound ? -1 : findUnsoundReference(scores)));
}

/** The readable version of `findUnsound`. */
export function findUnsoundReference(scores: Float32Array): number {
  return scores.findIndex((score) => !(score >= 0 && score < Infinity));
}
