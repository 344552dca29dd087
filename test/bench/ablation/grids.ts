import { SHUFFLES } from '@esparse/sparsity';
import type { Cell } from './cell.ts';

/** What all cells of a grid start from. */
export interface GridOptions {
  /** The pipeline whose options are varied, with options that all its cells have. */
  readonly pipeline: string;
  readonly set: Cell['set'];
  readonly patterns: readonly string[];
  readonly samples: number;
  readonly seeds: readonly number[];
}

type Row = Omit<Cell, 'seed' | 'pattern'>;

/** With it the amplitude outweighs any entropy (ln 1000 at most), and an f32 still holds the product. */
const ENTROPY_OFF = 1e12;

/** What is varied, one at a time, unless `--set` says otherwise. */
const BASE = { alpha: 1, range: 'channel', shuffle: 'both' };

const ALPHAS = [0, 0.25, 0.5, 1, 2, 4, 16];
const RANGES = ['channel', 'tap'];
const SAMPLES = [16, 32, 64, 128, 256];

const TUNE_STEPS = [30, 100, 300, 1000];
const RATES = [1e-4, 3e-4, 1e-3, 3e-3];
const DENSE_SHARES = [0, 0.5, 1];
const TUNE_SAMPLES = [16, 32, 128, 512];

/** One option of E-Sparse varied at a time: entropy on or off, α, range, shuffle, samples. */
export function ablationGrid(options: GridOptions): Cell[] {
  const { pipeline, set, samples } = options;
  const vary = (name: string, varied: Cell['set'], windows = samples): Row => ({
    name,
    pipeline,
    set: { ...BASE, ...set, ...varied },
    samples: windows,
  });
  return spread(options, [
    vary('base', {}),
    vary('entropy off (alpha without bound: Wanda)', { alpha: ENTROPY_OFF }),
    vary('amplitude off (alpha 0)', { alpha: 0 }),
    ...ALPHAS.map((alpha) => vary(`alpha ${alpha}`, { alpha })),
    ...RANGES.map((range) => vary(`range ${range}`, { range })),
    ...Object.keys(SHUFFLES).map((shuffle) => vary(`shuffle ${shuffle}`, { shuffle })),
    ...SAMPLES.map((windows) => vary(`samples ${windows}`, {}, windows)),
  ]);
}

/** One option of tuning varied at a time, and what is tuned. */
export function tuningGrid(options: GridOptions): Cell[] {
  const { set, samples } = options;
  const vary = (name: string, varied: Cell['set'], windows = samples, pipeline = 'e-sparse-tune'): Row => ({
    name,
    pipeline,
    set: { ...set, ...varied },
    samples: windows,
  });
  const alone = (name: string, pipeline: string): Row => ({ name, pipeline, set: {}, samples });
  return spread(options, [
    vary('tuned', {}),
    alone('masks alone', 'e-sparse'),
    alone('reconstruction alone', 'e-sparse-reconstruct'),
    vary('reconstruction tuned', {}, samples, 'e-sparse-reconstruct-tune'),
    ...TUNE_STEPS.map((steps) => vary(`steps ${steps}`, { steps })),
    ...RATES.map((learningRate) => vary(`rate ${learningRate}`, { learningRate })),
    ...DENSE_SHARES.map((dense) => vary(`dense share ${dense}`, { dense })),
    vary('loss relative', { loss: 'relative' }),
    ...TUNE_SAMPLES.map((windows) => vary(`samples ${windows}`, {}, windows)),
  ]);
}

/** Every pipeline with its own defaults. */
export function methodsGrid(options: GridOptions, pipelines: readonly string[]): Cell[] {
  const { samples } = options;
  return spread(
    options,
    pipelines.map((pipeline) => ({ name: pipeline, pipeline, set: {}, samples })),
  );
}

/** Each row at every pattern with every seed. */
function spread({ patterns, seeds }: GridOptions, rows: readonly Row[]): Cell[] {
  return patterns.flatMap((pattern) =>
    rows.flatMap((row) => seeds.map((seed) => ({ ...row, pattern, seed }))),
  );
}
