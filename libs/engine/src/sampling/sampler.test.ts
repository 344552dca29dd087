import { createSampler } from './sampler.ts';
import { logSumExp, topLogprobs } from './log-probabilities.ts';
import { seededRandom } from './random.ts';

const logits = Float32Array.of(0.5, 3, -1, 3, 2, -Infinity, 1);
const probabilities = (temperature = 1) => {
  const powers = [...logits].map((logit) => Math.exp(logit / temperature));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};

/** How often each token is drawn. */
function frequencies(options: Parameters<typeof createSampler>[0], draws = 20_000): number[] {
  const sampler = createSampler({ temperature: 1, seed: 11, ...options });
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampler.sample(logits)]!++;
  return counts.map((count) => count / draws);
}

test('temperature 0 takes the likeliest token, the lower of two equal ones', () => {
  expect(createSampler().sample(logits)).toBe(1);
  expect(createSampler({ temperature: 1, topK: 1, seed: 3 }).sample(logits)).toBe(1);
});

test('tokens are drawn as often as the model and the temperature say, impossible ones never', () => {
  for (const temperature of [0.5, 1, 2]) {
    const expected = probabilities(temperature);
    frequencies({ temperature }).forEach((frequency, token) => {
      expect(Math.abs(frequency - expected[token]!)).toBeLessThan(0.015);
    });
  }
  expect(frequencies({})[5]).toBe(0);
});

test('top-k draws among the k likeliest, top-p among the fewest that reach p', () => {
  const drawn = (options: object) => frequencies(options).flatMap((f, token) => (f > 0 ? [token] : []));
  expect(drawn({ topK: 2 })).toEqual([1, 3]);
  expect(drawn({ topK: 3 })).toEqual([1, 3, 4]);
  expect(drawn({ topK: 100 })).toEqual([0, 1, 2, 3, 4, 6]);
  const [, first] = probabilities();
  expect(drawn({ topP: first! * 0.9 })).toEqual([1]);
  expect(drawn({ topP: first! * 1.1 })).toEqual([1, 3]);
  expect(drawn({ topP: 0.9999 })).toEqual([0, 1, 2, 3, 4, 6]);
  // Of the three likeliest, two reach 80 %.
  expect(drawn({ topK: 3, topP: 0.8 })).toEqual([1, 3]);
});

test('a seed fixes the tokens, another seed gives others, and so does none', () => {
  const tokens = (seed?: number) => {
    const sampler = createSampler({ temperature: 2, seed });
    return Array.from({ length: 50 }, () => sampler.sample(logits)).join();
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
      expect(() => sampler.sample(Float32Array.of(1, bad, 0))).toThrow(
        expect.objectContaining({ kind: 'numeric' }),
      );
    }
    expect(() => sampler.sample(new Float32Array(3).fill(-Infinity))).toThrow(/not numbers/);
  }
  for (const options of [{ temperature: -1 }, { topP: 0 }, { topP: 1.1 }, { topK: 0.5 }, { seed: 0.5 }]) {
    expect(() => createSampler(options)).toThrow(expect.objectContaining({ kind: 'usage' }));
  }
});

test('log-probabilities are those of the softmax, the likeliest first', () => {
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
