import { tapFigurePath } from '@esparse/model-store';
import { ranksOf, type ShownChannels } from '@esparse/report-page';
import type { CommittedGroup } from '@esparse/store';
import type { Attachment } from './attachment.ts';
import type { Excerpts } from './excerpts.ts';

/** What channels are chosen by. */
export interface ChannelRanks {
  readonly entropy: Float32Array | undefined;
  readonly amplitude: Float32Array | undefined;
  readonly alpha: number;
}

/**
 * Reads histograms and top tokens of the channels of a tap: of all of them, or, of a large model, of so many that E-Sparse ranks
 * most differently from Wanda. Nothing where the run did not record them.
 */
export async function shownChannels(
  group: CommittedGroup,
  tap: string,
  {
    attachment,
    excerpts,
    most,
    signal,
  }: {
    readonly attachment: Attachment;
    readonly excerpts: Excerpts;
    readonly most: number;
    readonly signal: AbortSignal | undefined;
  },
  ranks: ChannelRanks,
): Promise<ShownChannels | undefined> {
  const shapeOf = (figure: Parameters<typeof tapFigurePath>[1]) =>
    group.arrays.get(tapFigurePath(tap, figure))?.shape;
  const [channels, bins] = shapeOf('histogram') ?? [];
  const [alsoChannels, each] = shapeOf('top_tokens') ?? [];
  const count = channels ?? alsoChannels;
  if (count === undefined) return undefined;
  const chosen = chosenChannels(count, most, ranks);
  const read = async <T extends 'uint16' | 'float32' | 'int32'>(
    figure: Parameters<typeof tapFigurePath>[1],
    dtype: T,
  ) => (await group.readAs(tapFigurePath(tap, figure), dtype, signal)).data;
  const histogram =
    bins === undefined
      ? undefined
      : histogramOf(
          attachment,
          chosen,
          count,
          bins,
          await read('histogram', 'uint16'),
          await read('range', 'float32'),
        );
  const top =
    each === undefined
      ? undefined
      : topOf(
          attachment,
          excerpts,
          chosen,
          each,
          await read('top_tokens', 'int32'),
          await read('top_values', 'float32'),
        );
  return {
    channels: attachment.add(Int32Array.from(chosen)),
    ...(histogram && { histogram }),
    ...(top && { top }),
  };
}

function histogramOf(
  attachment: Attachment,
  chosen: readonly number[],
  channels: number,
  bins: number,
  shares: Uint16Array,
  ranges: Float32Array,
): NonNullable<ShownChannels['histogram']> {
  const levels = new Uint8Array(chosen.length * bins);
  // What is not empty is seen.
  const level = (share: number) => (share === 0 ? 0 : Math.max(1, Math.round((255 * share) / 0xffff)));
  chosen.forEach((channel, i) => {
    for (let bin = 0; bin < bins; bin++) levels[i * bins + bin] = level(shares[channel * bins + bin]!);
  });
  return {
    bins,
    shares: attachment.add(levels),
    low: attachment.add(Float32Array.from(chosen, (channel) => ranges[channel]!)),
    high: attachment.add(Float32Array.from(chosen, (channel) => ranges[channels + channel]!)),
  };
}

function topOf(
  attachment: Attachment,
  excerpts: Excerpts,
  chosen: readonly number[],
  each: number,
  tokens: Int32Array,
  values: Float32Array,
): NonNullable<ShownChannels['top']> {
  const places = chosen.flatMap((channel) => Array.from({ length: each }, (_, k) => channel * each + k));
  return {
    each,
    excerpts: attachment.add(Int32Array.from(places, (at) => excerpts.numberOf(tokens[at]!))),
    values: attachment.add(Float32Array.from(places, (at) => values[at]!)),
  };
}

/** Ascending. */
function chosenChannels(count: number, most: number, { entropy, amplitude, alpha }: ChannelRanks): number[] {
  const all = Array.from({ length: count }, (_, c) => c);
  if (count <= most) return all;
  if (entropy?.length !== count || amplitude?.length !== count) return all.slice(0, most);
  const [eSparse, wanda] = [
    ranksOf(entropy.map((value, c) => value + alpha * amplitude[c]!)),
    ranksOf(amplitude),
  ];
  const difference = (c: number) => Math.abs(eSparse[c]! - wanda[c]!);
  return all
    .sort((a, b) => difference(b) - difference(a) || a - b)
    .slice(0, most)
    .sort((a, b) => a - b);
}
