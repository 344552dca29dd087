import { entropyMasses } from '@esparse/kernels';
import { entropy, readThere } from './entropy.ts';
import { readerOf, type StatisticReader } from './reader.ts';
import { withLock } from './state-lock.ts';

/** Bins of a channel in a picture. */
export const HISTOGRAM_BINS = 32;

/** The largest number of a histogram. */
const MOST = 0xffff;

/** How the values of each channel are spread. */
export interface ChannelHistograms {
  /** (channels, HISTOGRAM_BINS): each bin as a share of the fullest one of its channel, in 1/65535. */
  readonly shares: Uint16Array;
  /** (2, channels): the least values, then the greatest; bins part what is between them equally. */
  readonly ranges: Float32Array;
}

/** The histograms that entropies are taken of, with fewer bins. */
export const channelHistograms: StatisticReader<ChannelHistograms> = readerOf(entropy, (state) =>
  withLock([state], async () => {
    const { masses, ranges } = await readThere(
      state,
      (held) => ({ masses: held.masses(HISTOGRAM_BINS), ranges: held.ranges() }),
      async (here) => ({ masses: await entropyMasses(here, HISTOGRAM_BINS), ranges: here.ranges.slice() }),
    );
    const shares = new Uint16Array(masses.length);
    for (let at = 0; at < masses.length; at += HISTOGRAM_BINS) {
      const own = masses.subarray(at, at + HISTOGRAM_BINS);
      const most = own.reduce((a, b) => Math.max(a, b), 1);
      for (let k = 0; k < HISTOGRAM_BINS; k++) shares[at + k] = Math.round((MOST * own[k]!) / most);
    }
    return { shares, ranges };
  }),
);
