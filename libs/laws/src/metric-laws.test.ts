import { metricLaws, type LawfulMetric } from './index.ts';
import { largestReader } from './testing/largest.ts';

interface Input {
  readonly rows: number;
  readonly cols: number;
  readonly weights: Uint16Array;
  readonly statistics: { readonly largest: Float32Array };
}

function metricOf(score: (input: Input) => Float32Array): LawfulMetric {
  return {
    name: 'mine',
    statistics: { largest: largestReader },
    score: (input: Input) => Promise.resolve(score(input)),
  };
}

/** The bits without the sign, which grow with the magnitude, times the largest activation. */
const lawful = ({ weights, cols, statistics }: Input) =>
  Float32Array.from(weights, (bits, i) => (bits & 0x7fff) * statistics.largest[i % cols]!);

test('a metric that keeps the laws passes, with the readings that its statistics make', async () => {
  let seen = 0;
  await metricLaws(
    metricOf((input) => {
      expect(input.statistics.largest).toHaveLength(input.cols);
      seen = Math.max(seen, ...input.statistics.largest);
      return lawful(input);
    }),
  );
  expect(seen).toBe(100);
});

let calls = 0;

test.each<[string, (input: Input) => Float32Array]>([
  ['scores for', (input) => lawful(input).slice(1)],
  ['expected a finite number', (input) => lawful(input).map((score) => -score)],
  ['expected a finite number', (input) => lawful(input).map((score) => score / 0)],
  ['the same input gives other scores', (input) => lawful(input).fill(calls++)],
  [
    'its input is changed',
    (input) => {
      input.weights[0] = 1;
      return lawful(input);
    },
  ],
  [
    'its input is changed',
    (input) => {
      input.statistics.largest.fill(3);
      return lawful(input);
    },
  ],
])('a metric that breaks a law is refused: %s', async (law, score) => {
  await expect(metricLaws(metricOf(score))).rejects.toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`^metric mine: .*${law}`)) }),
  );
});
