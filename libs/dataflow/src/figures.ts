import { from, map, of, type OperatorFunction } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import { channelMeans, type InferenceKernels, type LinearWeights } from '@esparse/kernels';
import { encodingOf } from '@esparse/sparsity';
import type { RowSample, StatisticReader } from '@esparse/statistics';
import { enrich } from './enrich.ts';
import type { ComparedOutputs, LinearFigures, LoadedLinear, MaskedLinear, PrunedLinear } from './linear.ts';

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

/** Finds the outputs of a linear as long as its weights are dense. */
export function denseOutputs({
  sample,
  kernels,
}: OutputComparison): OperatorFunction<LoadedLinear, LoadedLinear> {
  return enrich((linear) => {
    const { rows, cols, dtype, weights } = linear;
    const inputs = inputsOf(sample, linear);
    if (inputs === undefined) return of({});
    const outputs$ = from(outputsOf(kernels, { kind: 'dense', rows, cols, dtype, weights }, inputs));
    return outputs$.pipe(
      map((dense): { outputs: ComparedOutputs } => ({ outputs: { kernels, inputs, dense } })),
    );
  });
}

/** The rows of its input that outputs are compared of, where some are known. */
export function inputsOf(
  sample: StatisticReader<RowSample>,
  { readings }: Pick<LoadedLinear, 'readings'>,
): RowSample | undefined {
  return readings.get(sample) as RowSample | undefined;
}

/** Takes figures of a linear's scores, which are lost later. */
export function scoreFigures(): OperatorFunction<MaskedLinear, MaskedLinear> {
  return enrich(({ rows, cols, scores }) => {
    if (scores === undefined) throw new EsparseError('internal', 'figures of scores that are elsewhere');
    return from(channelMeans(scores, rows, cols)).pipe(
      map((means) => {
        const total = rows * means.reduce((sum, mean) => sum + mean, 0);
        return { scoreFigures: { total, mean: Float32Array.from(means) } };
      }),
    );
  });
}

/** All figures of a linear as it is packed; none where none were begun. */
export async function figuresOf(
  { scoreFigures, outputs }: Pick<MaskedLinear, 'scoreFigures' | 'outputs'>,
  packed: PrunedLinear['packed'],
): Promise<LinearFigures | undefined> {
  const known = scoreFigures && { scores: scoreFigures };
  if (outputs === undefined) return known;
  const { kernels, inputs, dense } = outputs;
  const sparse = outputs.sparse ?? (await outputsOf(kernels, encodingOf(packed).weights(packed), inputs));
  return { ...known, outputError: relativeDistance(dense, sparse) };
}

/** X Wᵀ: (rows of the inputs, outputs). */
async function outputsOf(
  kernels: InferenceKernels,
  weights: LinearWeights,
  { rows: tokens, data }: RowSample,
): Promise<Float32Array> {
  const outputs = new Float32Array(tokens * weights.rows);
  await kernels.createLinear(weights).applyLater(data, tokens, outputs);
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
