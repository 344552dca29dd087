import type { GroupDescentProblem } from './group-descent.ts';

/** The readable version of `groupDescent`, with the same bits. */
export function groupDescentReference(problem: GroupDescentProblem): void {
  const { rows, width, keep, group, places, inverses, hessian, weights, gradient } = problem;
  const choices = places.length / keep;
  const rhs = new Float64Array(group);
  const x = new Float64Array(keep);
  for (let r = 0; r < rows; r++) {
    const row = r * width;
    for (let q = 0, c = 0; c < width; q++, c += group) {
      // What the group's own weights must answer for: A w_g - g, with A the Hessian's block of the group.
      for (let a = 0; a < group; a++) {
        rhs[a] = -gradient[row + c + a]!;
        for (let b = 0; b < group; b++) {
          rhs[a] = rhs[a]! + weights[row + c + b]! * hessian[(c + b) * width + c + a]!;
        }
      }
      // Of all choices S the one that gains most: x = A_S⁻¹ rhs_S, which gains rhs_S · x.
      let most = -Infinity;
      let best = new Float64Array(group);
      for (let k = 0; k < choices; k++) {
        let gain = 0;
        for (let i = 0; i < keep; i++) {
          let sum = 0;
          for (let j = 0; j < keep; j++) {
            sum += inverses[((q * choices + k) * keep + i) * keep + j]! * rhs[places[k * keep + j]!]!;
          }
          x[i] = sum;
          gain += sum * rhs[places[k * keep + i]!]!;
        }
        if (!(gain > most)) continue;
        most = gain;
        best = new Float64Array(group);
        for (let i = 0; i < keep; i++) best[places[k * keep + i]!] = x[i]!;
      }
      for (let a = 0; a < group; a++) {
        const next = Math.fround(best[a]!);
        const step = Math.fround(next - weights[row + c + a]!);
        weights[row + c + a] = next;
        if (step === 0) continue;
        for (let j = 0; j < width; j++) {
          gradient[row + j] = gradient[row + j]! + Math.fround(step * hessian[(c + a) * width + j]!);
        }
      }
    }
  }
}
