import { from, map, type OperatorFunction } from 'rxjs';
import { channelMeans, type InferenceKernels, type LinearWeights } from '@esparse/kernels';
import { encodingOf } from '@esparse/sparsity';
import type { RowSample, StatisticReader } from '@esparse/statistics';
import { enrich } from './enrich.ts';
import type { BegunFigures, LinearFigures, MaskedLinear, PrunedLinear } from './linear.ts';

/** How the figures of linears are taken. */
export interface FigureOptions {
  /** Some rows of a tap, among the readings of each linear. */
  readonly sample: StatisticReader<RowSample>;
  /** What multiplies them with the weights. */
  readonly kernels: InferenceKernels;
}

/** Takes of a linear what is lost later: its scores by the channel, and its outputs as long as its weights are dense. */
export function beginFigures({
  sample,
  kernels,
}: FigureOptions): OperatorFunction<MaskedLinear, MaskedLinear> {
  return enrich((linear) => {
    const { rows, cols, dtype, weights, scores, readings } = linear;
    return from(channelMeans(scores, rows, cols)).pipe(
      map((means) => {
        const inputs = readings.get(sample) as RowSample | undefined;
        const outputs = inputs && outputsOf(kernels, { kind: 'dense', rows, cols, dtype, weights }, inputs);
        const begun: BegunFigures = {
          totalScore: rows * means.reduce((sum, mean) => sum + mean, 0),
          meanScore: Float32Array.from(means),
          outputs: inputs && outputs && { kernels, inputs, dense: outputs },
        };
        return { figures: begun };
      }),
    );
  });
}

/** Finishes them with the linear as it is packed. */
export function finishFigures(begun: BegunFigures, packed: PrunedLinear['packed']): LinearFigures {
  const { totalScore, meanScore, outputs } = begun;
  if (outputs === undefined) return { totalScore, meanScore };
  const { kernels, inputs, dense } = outputs;
  const sparse = outputsOf(kernels, encodingOf(packed).weights(packed), inputs);
  return { totalScore, meanScore, outputError: relativeDistance(dense, sparse) };
}

/** X Wᵀ: (rows of the inputs, outputs). */
function outputsOf(
  kernels: InferenceKernels,
  weights: LinearWeights,
  { rows: tokens, data }: RowSample,
): Float32Array {
  const outputs = new Float32Array(tokens * weights.rows);
  kernels.createLinear(weights).apply(data, tokens, outputs);
  return outputs;
}

/** ‖a − b‖ / ‖a‖; 0 where both are 0. */
export function relativeDistance(a: Float32Array, b: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += a[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / size);
}
