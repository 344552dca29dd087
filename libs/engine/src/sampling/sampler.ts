import { randomInt } from 'node:crypto';
import { EsparseError } from '@esparse/errors';
import { argmax } from './argmax.ts';
import { seededRandom } from './random.ts';

/** How the next token is drawn. */
export interface SamplerOptions {
  /** 0 takes the likeliest token; 1 draws as the model says; more draws more evenly. @default 0 */
  readonly temperature?: number | undefined;
  /** Draws among the likeliest tokens that together have this probability. @default 1, all */
  readonly topP?: number | undefined;
  /** Draws among so many of the likeliest tokens. @default 0, all */
  readonly topK?: number | undefined;
  /** The same seed and logits give the same tokens. @default a random one */
  readonly seed?: number | undefined;
}

/** Draws the tokens of one sequence. */
export interface Sampler {
  /**
   * The next token, from the logits of the whole vocabulary. Of equal logits the lower token comes first.
   *
   * @throws EsparseError 'numeric' where a logit is not a number, or none is finite
   */
  sample(logits: Float32Array): number;
}

/**
 * Makes a sampler. Logits are divided by the temperature, then the `topK` likeliest are taken, then of these the fewest
 * that reach `topP` of their probability, and one is drawn.
 *
 * @throws EsparseError 'usage' for options out of range
 */
export function createSampler(options: SamplerOptions = {}): Sampler {
  const { temperature = 0, topP = 1, topK = 0, seed } = options;
  requireThat(temperature >= 0 && Number.isFinite(temperature), `a temperature of ${temperature}`);
  requireThat(topP > 0 && topP <= 1, `a top-p of ${topP}`);
  requireThat(Number.isInteger(topK) && topK >= 0, `a top-k of ${topK}`);
  requireThat(seed === undefined || Number.isSafeInteger(seed), `a seed of ${seed ?? ''}`);
  if (temperature === 0 || topK === 1) return { sample: argmax };
  const random = seededRandom(seed ?? randomInt(2 ** 48 - 1));
  let memory = new Float64Array(0);
  return {
    sample(logits) {
      const largest = logits[argmax(logits)]!;
      if (memory.length < logits.length) memory = new Float64Array(logits.length);
      // Probabilities, not divided by their sum.
      const shares = memory.subarray(0, logits.length);
      let total = 0;
      for (let i = 0; i < logits.length; i++) {
        total += shares[i] = Math.exp((logits[i]! - largest) / temperature);
      }
      if (topK === 0 && topP === 1) return draw(shares, undefined, shares.length, random() * total);
      const order = topK === 0 ? coveringTokens(shares, topP * total) : likeliestTokens(shares, topK);
      const reach = topP * (topK === 0 ? total : order.reduce((sum, token) => sum + shares[token]!, 0));
      let count = 0;
      let sum = 0;
      while (count < order.length && (count === 0 || sum < reach)) sum += shares[order[count++]!]!;
      return draw(shares, order, count, random() * sum);
    },
  };
}

/** The first of the tokens at which the running sum of their shares exceeds a point. */
function draw(
  shares: Float64Array,
  order: readonly number[] | undefined,
  count: number,
  point: number,
): number {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < count && sum <= point; i++) {
    const token = order?.[i] ?? i;
    if (shares[token] === 0) continue;
    sum += shares[token]!;
    last = token;
  }
  return last;
}

/** The tokens with the largest shares, so many of them at most, from the largest down. */
function likeliestTokens(shares: Float64Array, count: number): number[] {
  return tokensAbove(shares, (tokens) => tokens >= count).slice(0, count);
}

/** Tokens from the largest share down that together reach a sum, and perhaps some more. */
function coveringTokens(shares: Float64Array, reach: number): number[] {
  // Sums in another order differ in their last bits: a hair more.
  return tokensAbove(shares, (_, sum) => sum >= reach * (1 + 1e-9));
}

/**
 * Tokens whose share is above a cut, from the largest down. The cut is lowered until they are enough: a whole vocabulary
 * is hardly ever sorted.
 */
function tokensAbove(shares: Float64Array, enough: (tokens: number, sum: number) => boolean): number[] {
  for (let cut = 0.05; ; cut = cut < 1e-300 ? 0 : cut * cut) {
    const above: number[] = [];
    let sum = 0;
    for (let i = 0; i < shares.length; i++) {
      if (shares[i]! < cut) continue;
      above.push(i);
      sum += shares[i]!;
    }
    if (cut === 0 || enough(above.length, sum)) return above.sort((a, b) => shares[b]! - shares[a]! || a - b);
  }
}

function requireThat(holds: boolean, what: string): void {
  if (!holds) throw new EsparseError('usage', `${what} cannot be used for sampling`);
}
