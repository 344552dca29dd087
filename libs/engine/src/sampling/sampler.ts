import { randomInt } from 'node:crypto';
import { argmax } from './argmax.ts';
import { candidateAt, candidatesOf } from './candidates.ts';
import { SAMPLING_OPTIONS, type SamplingParams } from './params.ts';
import { seededRandom, type SeededRandom } from './random.ts';
import {
  requireUsable,
  type SamplingOption,
  type SamplingStage,
  type TokenHistory,
} from './sampling-option.ts';

/** Chooses the tokens of one sequence. */
export interface Sampler {
  /** Whether it takes the token with the largest logit, as the model gives them: a device can do that by itself. */
  readonly greedy: boolean;
  /**
   * What it draws from, one number a token; none at temperature 0. A device that samples by itself goes on from its state,
   * and draws here what it has used.
   */
  readonly random: SeededRandom | undefined;
  /**
   * The next token, from the logits of the whole vocabulary. Of equal logits the lower token comes first.
   *
   * @throws EsparseError 'numeric' where a logit is not a number, or none is finite
   */
  sample(logits: Float32Array, history: TokenHistory): number;
}

/**
 * Makes the sampler of one sequence: the logits go through the processors of all options, are divided by the temperature,
 * and one of the tokens that the options' filters leave is sampled. In plain JavaScript, so that the same seed gives the
 * same tokens on every processor.
 *
 * @param options what shapes the choice. @default those of `SamplingParams`
 * @throws EsparseError 'usage' for parameters out of range
 */
export function createSampler(
  params: SamplingParams = {},
  options: readonly SamplingOption[] = Object.values<SamplingOption>(SAMPLING_OPTIONS),
): Sampler {
  const { temperature = 0, seed, logprobs = 0 } = params;
  requireUsable(temperature >= 0 && Number.isFinite(temperature), `a temperature of ${temperature}`);
  requireUsable(seed === undefined || Number.isSafeInteger(seed), `a seed of ${seed ?? ''}`);
  requireUsable(Number.isInteger(logprobs) && logprobs >= 0, `log-probabilities of ${logprobs} tokens`);
  const stages = options.flatMap(({ stage }) => stage?.(params) ?? []);
  const processors = stages.flatMap(({ processLogits }) => processLogits ?? []);
  const filters = stages.flatMap(({ filter }) => filter ?? []);

  const random = temperature === 0 ? undefined : seededRandom(seed ?? randomInt(2 ** 48 - 1));
  const choose = random === undefined ? argmax : sampleWith(temperature, filters, random);
  if (processors.length === 0) return { greedy: random === undefined, random, sample: choose };
  let copy = new Float32Array(0);
  return {
    greedy: false,
    random,
    sample(logits, history) {
      if (copy.length !== logits.length) copy = new Float32Array(logits.length);
      copy.set(logits);
      for (const process of processors) process(copy, history);
      return choose(copy);
    },
  };
}

/** Samples from what the filters leave. */
function sampleWith(
  temperature: number,
  filters: readonly NonNullable<SamplingStage['filter']>[],
  random: SeededRandom,
): (logits: Float32Array) => number {
  let memory = new Float64Array(0);
  return (logits) => {
    const largest = logits[argmax(logits)]!;
    if (memory.length < logits.length) memory = new Float64Array(logits.length);
    let candidates = candidatesOf(logits, largest, temperature, memory);
    for (const filter of filters) candidates = filter(candidates);
    return candidateAt(candidates, random() * candidates.total);
  };
}
