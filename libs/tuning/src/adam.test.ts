import { uniform } from '@esparse/laws';
import { Adam } from './adam.ts';

/** The algorithm of arXiv 1412.6980, for one value, in its words. */
function reference(start: number, gradients: readonly number[], rates: readonly number[]): number {
  let [theta, m, v] = [start, 0, 0];
  gradients.forEach((g, i) => {
    const t = i + 1;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const [mHat, vHat] = [m / (1 - 0.9 ** t), v / (1 - 0.999 ** t)];
    theta -= (rates[i]! * mHat) / (Math.sqrt(vHat) + 1e-8);
  });
  return theta;
}

test('steps are those of the paper, and a value that is pruned stays where it is', () => {
  const random = uniform(3, -1, 1);
  const start = Float32Array.from({ length: 40 }, random);
  const mask = Uint8Array.from(start, (_, i) => (i % 3 === 0 ? 0 : 1));
  const [values, rates] = [start.slice(), [0.1, 0.05, 0.02, 0.3]];
  const gradients = rates.map(() => Float32Array.from({ length: 40 }, random));
  const adam = new Adam(values, mask);
  gradients.forEach((gradient, i) => {
    adam.step(
      gradient.map((value) => 8 * value),
      rates[i]!,
      1 / 8,
    );
  });
  values.forEach((value, i) => {
    const ofValue = gradients.map((gradient) => gradient[i]!);
    expect(value).toBeCloseTo(mask[i] === 0 ? start[i]! : reference(start[i]!, ofValue, rates), 5);
  });
  expect(values.filter((_, i) => mask[i] === 0)).toEqual(start.filter((_, i) => mask[i] === 0));
});
