/**
 * Divides the prefill tokens of one step among the sequences whose prompts are not in the cache yet: equal shares, and
 * what a short prompt leaves goes to the others. So a short prompt behind a long one waits a few steps, not for all of
 * the long one.
 *
 * @param remaining prompt tokens that each sequence still has, in the order of their admission
 * @param budget tokens that may be given out
 * @returns tokens for each sequence, never more than it has; their sum is the budget, or all that there is
 */
export function prefillShares(remaining: readonly number[], budget: number): number[] {
  const given = new Array<number>(remaining.length).fill(0);
  const order = remaining.map((_, i) => i).sort((a, b) => remaining[a]! - remaining[b]! || a - b);
  let left = budget;
  order.forEach((i, at) => {
    const share = Math.min(remaining[i]!, Math.ceil(left / (order.length - at)));
    given[i] = share;
    left -= share;
  });
  return given;
}
