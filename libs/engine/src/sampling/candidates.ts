/** The tokens that a token is sampled from. */
export interface Candidates {
  /** (vocab): the probability of each token, times a factor that all share. */
  readonly weights: Float64Array;
  /**
   * The tokens that are left, the most likely first, of equal ones the lower first; `undefined` while all are: a whole
   * vocabulary is not sorted for nothing.
   */
  readonly ranked: readonly number[] | undefined;
  /** The weights of those that are left, added in their order. */
  readonly total: number;
}

/** All tokens, by their logits (vocab) over a temperature. @param memory holds the weights, (vocab) */
export function candidatesOf(
  logits: Float32Array,
  largest: number,
  temperature: number,
  memory: Float64Array,
): Candidates {
  const weights = memory.subarray(0, logits.length);
  let total = 0;
  for (let i = 0; i < logits.length; i++) {
    total += weights[i] = Math.exp((logits[i]! - largest) / temperature);
  }
  return { weights, ranked: undefined, total };
}

/** The candidate at which the running sum of the weights exceeds a point, 0 <= point < total. */
export function candidateAt({ weights, ranked }: Candidates, point: number): number {
  const count = ranked?.length ?? weights.length;
  let sum = 0;
  let last = 0;
  for (let i = 0; i < count && sum <= point; i++) {
    const token = ranked?.[i] ?? i;
    if (weights[token] === 0) continue;
    sum += weights[token]!;
    last = token;
  }
  return last;
}

/**
 * The most likely tokens, ranked: at least as many as are enough.
 *
 * @param enough whether so many tokens, with this sum of weights, are
 */
export function rankedTokens(
  weights: Float64Array,
  enough: (tokens: number, sum: number) => boolean,
): number[] {
  // The tokens above a cut are ranked, and the cut is lowered until they are enough: hardly ever that is all of them.
  for (let cut = 0.05; ; cut = cut < 1e-300 ? 0 : cut * cut) {
    const above: number[] = [];
    let sum = 0;
    for (let i = 0; i < weights.length; i++) {
      if (weights[i]! < cut) continue;
      above.push(i);
      sum += weights[i]!;
    }
    if (cut === 0 || enough(above.length, sum)) {
      return above.sort((a, b) => weights[b]! - weights[a]! || a - b);
    }
  }
}
