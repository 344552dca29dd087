import { from, map, of, type OperatorFunction } from 'rxjs';
import { channelMeans, type InferenceKernels, type LinearWeights } from '@esparse/kernels';
import { encodingOf } from '@esparse/sparsity';
import type { RowSample, StatisticReader } from '@esparse/statistics';
import { enrich } from './enrich.ts';
import type { BegunFigures, LinearFigures, MaskedLinear, PrunedLinear } from './linear.ts';

/** Which figures of linears are taken. */
export interface FigureOptions {
  /** Those of the scores. */
  readonly scores: boolean;
  /** How much outputs change. @default that is not found */
  readonly outputs?: OutputComparison | undefined;
}

/** How outputs with the dense weights and with the pruned ones are compared. */
export interface OutputComparison {
  /** Some rows of a tap, among the readings of each linear. */
  readonly sample: StatisticReader<RowSample>;
  /** What multiplies them with the weights. */
  readonly kernels: InferenceKernels;
}

/** Takes of a linear what is lost later: its scores by the channel, and its outputs as long as its weights are dense. */
export function beginFigures({
  scores: takesScores,
  outputs,
}: FigureOptions): OperatorFunction<MaskedLinear, MaskedLinear> {
  return enrich((linear) => {
    const { rows, cols, scores } = linear;
    const begun = outputs && beginOutputs(outputs, linear);
    if (!takesScores) return of({ figures: { outputs: begun } });
    return from(channelMeans(scores, rows, cols)).pipe(
      map((means) => {
        const total = rows * means.reduce((sum, mean) => sum + mean, 0);
        return { figures: { scores: { total, mean: Float32Array.from(means) }, outputs: begun } };
      }),
    );
  });
}

function beginOutputs(
  { sample, kernels }: OutputComparison,
  { rows, cols, dtype, weights, readings }: MaskedLinear,
): BegunFigures['outputs'] {
  const inputs = readings.get(sample) as RowSample | undefined;
  if (inputs === undefined) return undefined;
  return {
    kernels,
    inputs,
    dense: outputsOf(kernels, { kind: 'dense', rows, cols, dtype, weights }, inputs),
  };
}

/** Finishes them with the linear as it is packed. */
export function finishFigures(
  { scores, outputs }: BegunFigures,
  packed: PrunedLinear['packed'],
): LinearFigures {
  const known = { ...(scores && { scores }) };
  if (outputs === undefined) return known;
  const { kernels, inputs, dense } = outputs;
  const sparse = outputsOf(kernels, encodingOf(packed).weights(packed), inputs);
  return { ...known, outputError: relativeDistance(dense, sparse) };
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
