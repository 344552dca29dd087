import { lastValueFrom, of } from 'rxjs';
import { openInferenceKernels, widenReference } from '@esparse/kernels';
import { both, magnitude, unpackToF32, type PackedLinear } from '@esparse/sparsity';
import { sampledRows, type StatisticReader } from '@esparse/statistics';
import { pruneLinear, type FigureOptions, type LinearJob } from './index.ts';

const ROWS = 32;
const COLS = 16;
const TOKENS = 5;

const inputs = Float32Array.from({ length: TOKENS * COLS }, (_, i) => Math.fround(Math.sin(i)));
const weights = Uint16Array.from({ length: ROWS * COLS }, (_, i) => 0x3f80 + ((i * 29) % 97));
const job = (readings: LinearJob['readings']): LinearJob => ({
  ...{ block: 0, name: 'q', tap: 'in', rows: ROWS, cols: COLS, pattern: { keep: 2, group: 4 }, readings },
});
const sample = new Map<StatisticReader, unknown>([[sampledRows, { rows: TOKENS, data: inputs }]]);
const outputs = { sample: sampledRows, kernels: openInferenceKernels() };
const pruned = (figures: FigureOptions | undefined, readings: LinearJob['readings'] = sample) =>
  lastValueFrom(
    of(job(readings)).pipe(
      pruneLinear({
        load: () => Promise.resolve({ dtype: 'bf16', weights: weights.slice() }),
        metric: magnitude(),
        shuffle: both(),
        stages: [],
        report: { note: () => undefined, progress: () => undefined },
        figures,
      }),
    ),
  );

/** ‖XW − XŴ‖ / ‖XW‖, as it is written. */
function errorOf(dense: Float32Array, sparse: Float32Array): number {
  let [difference, size] = [0, 0];
  for (let t = 0; t < TOKENS; t++) {
    for (let r = 0; r < ROWS; r++) {
      let [y, ySparse] = [0, 0];
      for (let c = 0; c < COLS; c++) {
        y += inputs[t * COLS + c]! * dense[r * COLS + c]!;
        ySparse += inputs[t * COLS + c]! * sparse[r * COLS + c]!;
      }
      difference += (y - ySparse) ** 2;
      size += y ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

test('figures are what their formulas say', async () => {
  const { packed, figures } = await pruned({ scores: true, outputs });
  const dense = widenReference('bf16', weights);
  expect(figures!.outputError).toBeCloseTo(errorOf(dense, await unpackToF32(packed as PackedLinear)), 5);
  // Of magnitude, the score of a weight is its size.
  expect(figures!.scores!.total).toBeCloseTo(
    dense.reduce((sum, weight) => sum + Math.abs(weight), 0),
    3,
  );
  const mean = (channel: number) =>
    dense.reduce((sum, weight, i) => sum + (i % COLS === channel ? Math.abs(weight) : 0), 0) / ROWS;
  figures!.scores!.mean.forEach((score, channel) => {
    expect(score).toBeCloseTo(mean(channel), 5);
  });
});

test('without figures, the same weights are kept; without inputs, no output is known', async () => {
  const { figures, ...rest } = await pruned(undefined);
  expect(figures).toBeUndefined();
  const { figures: some, ...same } = await pruned({ scores: false, outputs });
  expect({ ...rest.packed }).toEqual({ ...same.packed });
  expect(some).toEqual({ outputError: expect.any(Number) });
  expect((await pruned({ scores: true, outputs }, new Map())).figures).toEqual({ scores: expect.anything() });
});
