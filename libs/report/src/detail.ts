import { linearsOf, tapsOf, type AnyModel } from '@esparse/model';

/**
 * Bytes of numbers by the channel: what a model of 32 blocks of 4096 and 11008 channels has. The page's text is a third
 * more, and stays below what phones and mail take.
 */
const MAX_CHANNEL_BYTES = 7 * 2 ** 20;

/** Bytes of masks, beside those that are asked for by name: a row of each linear of that model is 9 KB in all. */
const MAX_MASK_BYTES = 2.5 * 2 ** 20;

/** Channels with histograms and tokens: 70 bytes each, and an excerpt for every other token. */
const MAX_SHOWN_CHANNELS = 6_000;

/** How much of a run the page shows channel by channel and weight by weight: what fits a page that opens at once. */
export interface Detail {
  /** Every how many blocks one is shown by its channels. */
  readonly everyBlock: number;
  /** How many channels of a tap of so many have histograms and tokens. */
  channelsOf(channels: number): number;
  covers(block: number): boolean;
  /** The tiles of 16 rows that are shown of a linear's mask: all, or some that are spread over it evenly. */
  tilesOf(block: number, linear: string, tiles: number): number[];
}

/** @param whole whether a linear was asked for by name, `blocks.<k>.<linear>`: its mask is shown whole */
export function detailOf(description: AnyModel, whole: (linear: string) => boolean = () => false): Detail {
  const blocks = Array.from({ length: description.blocks }, (_, block) => block);
  const sum = (of: (block: number) => number) => blocks.reduce((total, block) => total + of(block), 0);
  const channelBytes = sum(
    (block) =>
      // A share and a place in the order; an entropy and an amplitude.
      linearsOf(description, block).reduce((bytes, { cols }) => bytes + 3 * cols, 0) +
      tapsOf(description, block).reduce((bytes, { channels }) => bytes + 4 * channels, 0),
  );
  const maskBytes = sum((block) =>
    linearsOf(description, block).reduce((bytes, { rows, cols }) => bytes + (rows * cols) / 8, 0),
  );
  const everyBlock = Math.max(1, Math.ceil(channelBytes / MAX_CHANNEL_BYTES));
  const share = Math.min(1, (MAX_MASK_BYTES * everyBlock) / maskBytes);
  const shownChannels = blocks
    .filter((block) => block % everyBlock === 0)
    .flatMap((block) => tapsOf(description, block))
    .reduce((total, { channels }) => total + channels, 0);
  const channelShare = Math.min(1, MAX_SHOWN_CHANNELS / Math.max(1, shownChannels));
  return {
    everyBlock,
    channelsOf: (channels) => Math.max(1, Math.floor(channelShare * channels)),
    covers: (block) => block % everyBlock === 0,
    tilesOf(block, linear, tiles) {
      const shown = whole(`blocks.${block}.${linear}`) ? tiles : Math.max(1, Math.floor(share * tiles));
      return Array.from({ length: shown }, (_, i) => Math.floor((i * tiles) / shown));
    },
  };
}
