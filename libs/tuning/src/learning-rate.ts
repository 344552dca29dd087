/**
 * The rate of a step of 1 .. steps: all of it at the first, toward 0 at the last, along half a cosine (arXiv 1608.03983). With a warm-up
 * of some steps it rises in a line before, and none of these has all of it.
 */
export function learningRateAt(step: number, steps: number, rate: number, warmUp = 0): number {
  if (step <= warmUp) return (rate * step) / (warmUp + 1);
  return (rate / 2) * (1 + Math.cos((Math.PI * (step - 1 - warmUp)) / (steps - warmUp)));
}
