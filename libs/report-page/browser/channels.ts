import type { LinearData, TapData } from '../src/data.ts';
import { ranksOf } from '../src/ranks.ts';
import type { ShownRun } from './run.ts';

/** The channels of a tap in a block, each array by the channel. */
export interface Channels {
  readonly block: number;
  readonly tap: TapData;
  readonly entropy: Float64Array | undefined;
  readonly amplitude: Float64Array | undefined;
  /** The mean share of their weights that the linears of the tap keep. */
  readonly kept: Float64Array | undefined;
  /** Ranks from 1, the most important first: as E-Sparse weighs channels, and as Wanda does; where both are known. */
  readonly ranks: { readonly eSparse: Int32Array; readonly wanda: Int32Array } | undefined;
}

/** Reads the channels of a tap. */
export function channelsOf(run: ShownRun, block: number, name: string): Channels | undefined {
  const tap = run.tap(block, name);
  if (tap === undefined) return undefined;
  const entropy = tap.entropy && run.read(tap.entropy);
  const amplitude = tap.amplitude && run.read(tap.amplitude);
  const shares = run
    .readersOf(block, name)
    .flatMap(({ keptShare }) => (keptShare === undefined ? [] : [run.read(keptShare)]));
  const kept =
    shares.length === 0
      ? undefined
      : Float64Array.from(
          { length: tap.channels },
          (_, c) => shares.reduce((sum, share) => sum + share[c]! / 255, 0) / shares.length,
        );
  const { importance } = run.data;
  const alpha = importance.by === 'entropy and amplitude' ? importance.alpha : 1;
  const ranks = entropy &&
    amplitude && {
      eSparse: ranksOf(entropy.map((value, c) => value + alpha * amplitude[c]!)),
      wanda: ranksOf(amplitude),
    };
  return { block, tap, entropy, amplitude, kept, ranks };
}

/** Channels that are marked as ranked otherwise, at most. */
const MAX_MARKED = 20;

/** A difference of ranks that is worth a mark, as a share of all channels. */
const MARKED_SHARE = 0.05;

/** The channels that E-Sparse ranks most differently from Wanda. */
export function rankedOtherwise({ ranks, tap }: Channels): number[] {
  if (ranks === undefined) return [];
  const difference = (c: number) => Math.abs(ranks.eSparse[c]! - ranks.wanda[c]!);
  return Array.from({ length: tap.channels }, (_, c) => c)
    .filter((c) => difference(c) > MARKED_SHARE * tap.channels)
    .sort((a, b) => difference(b) - difference(a) || a - b)
    .slice(0, MAX_MARKED);
}

/** Spearman's: 1 where the larger of two is always larger in both, 0 where one says nothing of the other. */
export function rankCorrelation(one: Float64Array, other: Float64Array): number {
  const [a, b] = [ranksOf(one), ranksOf(other)];
  const n = a.length;
  if (n < 2) return 1;
  const squares = a.reduce((sum, rank, i) => sum + (rank - b[i]!) ** 2, 0);
  return 1 - (6 * squares) / (n * (n * n - 1));
}

/**
 * How much a channel matters to a linear: the mean score of its weights where the run recorded it, else what its metric
 * multiplies weights by; undefined where neither is known.
 */
export function importanceIn(run: ShownRun, block: number, linear: LinearData): Float64Array | undefined {
  if (linear.meanScore !== undefined) return run.read(linear.meanScore);
  const tap = run.tap(block, linear.tap);
  const { importance } = run.data;
  const amplitude = tap?.amplitude && run.read(tap.amplitude);
  if (importance.by === 'amplitude') return amplitude?.map((value) => value ** importance.exponent);
  const entropy = tap?.entropy && run.read(tap.entropy);
  if (importance.by === 'weights' || entropy === undefined || amplitude === undefined) return undefined;
  return entropy.map((value, c) => value + importance.alpha * amplitude[c]!);
}
