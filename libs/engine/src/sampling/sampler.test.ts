import { createSampler } from './sampler.ts';
import type { SamplingParams } from './params.ts';
import type { SamplingOption } from './sampling-option.ts';
import { logSumExp, logSumExps, topLogprobs } from './log-probabilities.ts';
import { seededRandom } from './random.ts';

const logits = Float32Array.of(0.5, 3, -1, 3, 2, -Infinity, 1);
const HISTORY = { tokens: Uint32Array.of(2, 4), promptTokens: 1 };
const probabilities = (temperature = 1) => {
  const powers = [...logits].map((logit) => Math.exp(logit / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};

/** How often each token is sampled. */
function frequencies(params: SamplingParams, times = 20_000): number[] {
  const sampler = createSampler({ temperature: 1, seed: 11, ...params });
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < times; i++) counts[sampler.sample(logits, HISTORY)]!++;
  return counts.map((count) => count / times);
}

test('temperature 0 takes the most likely token, the lower of two equal ones', () => {
  expect(createSampler().sample(logits, HISTORY)).toBe(1);
  expect(createSampler({ temperature: 1, topK: 1, seed: 3 }).sample(logits, HISTORY)).toBe(1);
});

test('tokens are sampled as often as the model and the temperature say, impossible ones never', () => {
  for (const temperature of [0.5, 1, 2]) {
    const expected = probabilities(temperature);
    frequencies({ temperature }).forEach((frequency, token) => {
      expect(Math.abs(frequency - expected[token]!)).toBeLessThan(0.015);
    });
  }
  expect(frequencies({})[5]).toBe(0);
});

test('top-k samples among the k most likely tokens, top-p among the fewest that reach p', () => {
  const sampled = (options: object) => frequencies(options).flatMap((f, token) => (f > 0 ? [token] : []));
  expect(sampled({ topK: 2 })).toEqual([1, 3]);
  expect(sampled({ topK: 3 })).toEqual([1, 3, 4]);
  expect(sampled({ topK: 100 })).toEqual([0, 1, 2, 3, 4, 6]);
  const [, first] = probabilities();
  expect(sampled({ topP: first! * 0.9 })).toEqual([1]);
  expect(sampled({ topP: first! * 1.1 })).toEqual([1, 3]);
  expect(sampled({ topP: 0.9999 })).toEqual([0, 1, 2, 3, 4, 6]);
  // Of the three most likely, two reach 80 %.
  expect(sampled({ topK: 3, topP: 0.8 })).toEqual([1, 3]);
});

test('min-p leaves the tokens that are so likely as a share of the most likely one', () => {
  const sampled = (options: object) => frequencies(options).flatMap((f, token) => (f > 0 ? [token] : []));
  // e^-1 of the greatest is token 4, e^-2 token 6.
  expect(sampled({ minP: 1 })).toEqual([1, 3]);
  expect(sampled({ minP: 0.36 })).toEqual([1, 3, 4]);
  expect(sampled({ minP: 0.37 })).toEqual([1, 3]);
  expect(sampled({ minP: 0.36, topK: 1 })).toEqual([1]);
  expect(sampled({ minP: 0.13, topP: 0.5 })).toEqual([1, 3]);
});

test('penalties lower the logits of tokens that are there: of the text by their number or once, or of the prompt too', () => {
  // Token 3 is of the prompt; of the text 1 twice.
  const history = { tokens: Uint32Array.of(3, 1, 1), promptTokens: 1 };
  const likeliest = (options: SamplingParams) => createSampler(options).sample(logits, history);
  expect(likeliest({})).toBe(1);
  for (const name of ['frequencyPenalty', 'presencePenalty'] as const) {
    expect(likeliest({ [name]: 0.1 })).toBe(3);
    expect(likeliest({ [name]: -0.1 })).toBe(1);
  }
  expect(likeliest({ repetitionPenalty: 1.4 })).toBe(1);
  expect(likeliest({ repetitionPenalty: 1.6 })).toBe(4);
  const text = { tokens: Uint32Array.of(2, 5, 5), promptTokens: 0 };
  const two = Float32Array.of(-10, -10, 1, -10, -10, 2, 1.5);
  expect(createSampler({ frequencyPenalty: 0.3 }).sample(two, text)).toBe(6);
  expect(createSampler({ presencePenalty: 0.3 }).sample(two, text)).toBe(5);
  // Below 0 it is multiplied.
  expect(
    createSampler({ repetitionPenalty: 2 }).sample(Float32Array.of(-1, -1.5), {
      tokens: Uint32Array.of(0),
      promptTokens: 1,
    }),
  ).toBe(1);
});

test('an option sees the tokens so far and changes a copy of the logits, whatever the temperature', () => {
  const unheard: SamplingOption = {
    request: { min: 0, max: 1, default: 0 },
    stage: () => ({
      processLogits: (changed, { tokens, promptTokens }) => {
        for (const token of tokens.subarray(promptTokens)) changed[token] = -Infinity;
      },
    }),
  };
  const before = logits.slice();
  for (const temperature of [0, 1e-3]) {
    const sampler = createSampler({ temperature, seed: 1 }, [unheard]);
    expect(sampler.sample(logits, { tokens: Uint32Array.of(3, 1), promptTokens: 1 })).toBe(3);
    expect(sampler.sample(logits, { tokens: Uint32Array.of(3, 1, 3), promptTokens: 1 })).toBe(4);
  }
  expect(logits).toEqual(before);
});

test('the tokens of a seed are these, on every processor and in every version', () => {
  const tokens = (params: SamplingParams) => {
    const sampler = createSampler({ seed: 42, ...params });
    return Array.from({ length: 24 }, () => sampler.sample(logits, HISTORY)).join('');
  };
  expect([
    tokens({ temperature: 1 }),
    tokens({ temperature: 2, topK: 4 }),
    tokens({ temperature: 1.5, topP: 0.9 }),
    tokens({ temperature: 1.5, topK: 5, topP: 0.8 }),
  ]).toEqual([
    '136311131333131334341433',
    '146311131334143434343443',
    '146311131333143434341433',
    '134311131333133334341433',
  ]);
});

test('a seed fixes the tokens, another seed gives others, and so does none', () => {
  const tokens = (seed?: number) => {
    const sampler = createSampler({ temperature: 2, seed });
    return Array.from({ length: 50 }, () => sampler.sample(logits, HISTORY)).join();
  };
  expect(tokens(5)).toBe(tokens(5));
  expect(new Set([tokens(5), tokens(6), tokens(-5), tokens(5 + 2 ** 40), tokens(), tokens()]).size).toBe(6);
});

test('uniform numbers are evenly spread', () => {
  const random = seededRandom(0);
  const bins = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) bins[Math.floor(random() * 16)]!++;
  bins.forEach((count) => {
    expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

test('logits that are not numbers are an error, options out of range too', () => {
  for (const options of [{}, { temperature: 1, seed: 1 }, { temperature: 1, topP: 0.5, seed: 1 }]) {
    const sampler = createSampler(options);
    for (const bad of [NaN, Infinity]) {
      expect(() => sampler.sample(Float32Array.of(1, bad, 0), HISTORY)).toThrow(
        expect.objectContaining({ kind: 'numeric' }),
      );
    }
    expect(() => sampler.sample(new Float32Array(3).fill(-Infinity), HISTORY)).toThrow(/not numbers/);
  }
  for (const options of [
    { temperature: -1 },
    { topP: 0 },
    { topP: 1.1 },
    { topK: 0.5 },
    { topK: -2 },
    { minP: 1.1 },
    { repetitionPenalty: 0 },
    { frequencyPenalty: NaN },
    { presencePenalty: Infinity },
    { seed: 0.5 },
  ]) {
    expect(() => createSampler(options)).toThrow(expect.objectContaining({ kind: 'usage' }));
  }
});

test('the sums of several rows are those of each, and a row that is not of numbers is an error', async () => {
  const rows = Float32Array.of(1000, 1000, -3, 4, 0.5, -Infinity);
  for (const [i, total] of (await logSumExps(rows, 2)).entries()) {
    expect(total).toBeCloseTo(logSumExp(rows.subarray(2 * i, 2 * i + 2)), 12);
  }
  rows[3] = NaN;
  const refusal = { kind: 'numeric', message: expect.stringContaining('not numbers') };
  await expect(logSumExps(rows, 2)).rejects.toMatchObject(refusal);
});

test('log-probabilities are those of the softmax, the most likely first', () => {
  const expected = probabilities().map(Math.log);
  const { logprob, ids, logprobs } = topLogprobs(logits, 6, 3);
  expect(ids).toEqual([1, 3, 4]);
  expect(logprob).toBeCloseTo(expected[6]!, 6);
  logprobs.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[ids[i]!]!, 6);
  });
  expect(topLogprobs(logits, 0, 0).ids).toEqual([]);
  expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.LN2, 9);
  expect(() => topLogprobs(Float32Array.of(NaN, 1), 0, 1)).toThrow(
    expect.objectContaining({ kind: 'numeric' }),
  );
});
