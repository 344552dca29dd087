/**
 * Numbers that look independent, uniform in [low, high): the same ones for a seed (a xorshift of 32 bits). An even seed
 * gives those of the odd one that follows.
 *
 * @param low @default 0
 * @param high @default 1
 */
export function uniform(seed: number, low = 0, high = 1): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return low + ((state >>> 0) / 2 ** 32) * (high - low);
  };
}
