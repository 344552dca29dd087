import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { LawTile } from './statistic-cases.ts';

/** What activations look like: a plain bell, one with a few channels far larger, or one cut off at zero. */
export type Activations = 'gaussian' | 'outliers' | 'relu';

/** Which activations are made up. */
export interface SyntheticOptions {
  readonly channels: number;
  /** @default 4 */
  readonly sequences?: number;
  /** Rows of a sequence. @default 32 */
  readonly seqlen?: number;
  /** Rows of the tiles, in turn: each sequence is cut anew. @default whole sequences */
  readonly cuts?: readonly number[];
  /** @default 'gaussian' */
  readonly activations?: Activations;
  /** @default 0 */
  readonly seed?: number;
}

/** One channel of so many is an outlier, larger by this factor. */
const OUTLIER_EVERY = 16;
const OUTLIER_SCALE = 20;

/**
 * Tiles of made-up activations, sequence after sequence. The values depend on seed, sequence, row and channel alone: the
 * same rows come out however they are cut.
 */
export function* syntheticTiles(options: SyntheticOptions): Generator<LawTile> {
  const { channels, sequences = 4, seqlen = 32, cuts = [seqlen] } = options;
  if (cuts.length === 0 || cuts.some((rows) => !Number.isInteger(rows) || rows < 1)) {
    throw new Error(`cuts are [${String(cuts)}]: expected numbers of rows`);
  }
  for (let sequence = 0; sequence < sequences; sequence++) {
    const data = syntheticSequence(options, sequence);
    for (let row = 0, i = 0; row < seqlen; i++) {
      const rows = Math.min(cuts[i % cuts.length]!, seqlen - row);
      const piece = data.slice(row * channels, (row + rows) * channels);
      row += rows;
      yield { data: piece, rows, channels, endsSequence: row === seqlen };
    }
  }
}

/** All rows of one sequence: f32 (seqlen, channels). */
export function syntheticSequence(
  { channels, seqlen = 32, activations = 'gaussian', seed = 0 }: SyntheticOptions,
  sequence: number,
): Float32Array {
  const normal = normals(seed * SEQUENCES + sequence);
  return Float32Array.from({ length: seqlen * channels }, (_, i) => {
    const value = normal();
    if (activations === 'relu') return Math.max(0, value);
    const outlier = activations === 'outliers' && (i % channels) % OUTLIER_EVERY === OUTLIER_EVERY - 1;
    return outlier ? OUTLIER_SCALE * value : value;
  });
}

/** Far more than the sequences of a test: each draw has a seed of its own. */
const SEQUENCES = 65_536;

/** Independent normal numbers (Box and Muller). */
function normals(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  const uniform = () => ((generator.next() >>> 0) + 0.5) / 2 ** 32;
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
