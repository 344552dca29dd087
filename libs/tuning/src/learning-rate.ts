/** The rate of a step of 1 .. steps: all of it at the first, toward 0 at the last, along half a cosine (arXiv 1608.03983). */
export function learningRateAt(step: number, steps: number, rate: number): number {
  return (rate / 2) * (1 + Math.cos((Math.PI * (step - 1)) / steps));
}
