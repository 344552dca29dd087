import { isDeepStrictEqual } from 'node:util';
import { everyCase, must, type LawOptions } from './every-case.ts';
import { linearCases, readingsOf, showLinear, type LawfulReaders, type LinearCase } from './linear-cases.ts';

/** What the laws need of a metric: any `Metric` of esparse is one. */
export interface LawfulMetric {
  readonly name: string;
  readonly statistics: LawfulReaders;
  score(input: never): Promise<Float32Array>;
}

/**
 * Checks the laws of a metric on drawn linears, with readings that its own statistics make of drawn activations: one
 * score for each weight, finite and not negative, that depends on nothing but the input, which stays as it was.
 *
 * @throws Error that names metric, law and a linear that breaks it
 */
export async function metricLaws(metric: LawfulMetric, options: LawOptions = {}): Promise<void> {
  const inputOf = async (example: LinearCase) => ({
    rows: example.rows,
    cols: example.cols,
    dtype: example.dtype,
    weights: Uint16Array.from(example.bits),
    statistics: await readingsOf(metric.statistics, example),
  });
  const check = async (example: LinearCase) => {
    const input = await inputOf(example);
    const before = await inputOf(example);
    const scores = await metric.score(input as never);
    must(ArrayBuffer.isView(scores) && 'length' in scores, 'its scores are no Float32Array');
    const { rows, cols } = example;
    must(scores.length === rows * cols, `${scores.length} scores for ${rows} x ${cols} weights`);
    const wrong = scores.findIndex((score) => !(Number.isFinite(score) && score >= 0));
    must(wrong < 0, `score ${scores[wrong]} at ${wrong}: expected a finite number that is not negative`);
    must(isDeepStrictEqual(input, before), 'its input is changed');
    const kept = scores.slice();
    const again = await metric.score((await inputOf(example)) as never);
    must(isDeepStrictEqual([...again], [...kept]), 'the same input gives other scores');
  };
  await everyCase(`metric ${metric.name}`, linearCases, check, showLinear, options);
}
