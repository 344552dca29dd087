import { EsparseError } from '@esparse/errors';
import {
  ENTROPY_MAX_BINS,
  ENTROPY_MAX_ROWS,
  ENTROPY_MAX_TOKENS,
  ENTROPY_PENDING_ROWS,
  ENTROPY_WORDS,
  entropyCount,
  entropyFinish,
  entropyHistograms,
  entropyMerge,
  entropyUpdate,
  free,
  type EntropyHistograms,
} from '@esparse/kernels';
import { refusedChannel } from './checks.ts';
import { defineStatistic } from './define.ts';
import { lacksDeviceMemory } from './device.ts';
import { entropyOnDevice } from './entropy-device.ts';
import { decodeHistograms, encodeHistograms } from './entropy-encoding.ts';
import { HeldHistograms } from './held-histograms.ts';
import type { StatisticState } from './statistic.ts';
import { withLock } from './state-lock.ts';

/**
 * A histogram of each channel, on a grid that follows the data, and at most `ENTROPY_PENDING_ROWS` rows that wait to be
 * counted. 27.9 KB per channel: 19.7 of histogram, which takes memory only once something was counted, and 8.2 of rows.
 */
export interface EntropyState extends StatisticState {
  tokens: number;
  /** Here, or in the memory of this process's own device. */
  histograms: EntropyHistograms | HeldHistograms;
}

const NAME = 'entropy';
/** A channel's histogram, once something was counted. */
const HISTOGRAM_BYTES = 19_700;

/** Histograms of each channel, for `entropyOf`: bins and range are chosen there, not while counting. */
export const entropy = defineStatistic<Pick<EntropyState, 'histograms'>>({
  name: NAME,
  version: 2,
  // The grid is part of the format: states of another one must not merge.
  parameters: { words: ENTROPY_WORDS },
  maxRows: ENTROPY_MAX_ROWS,
  maxTokens: ENTROPY_MAX_TOKENS,

  create: (channels) => ({ histograms: entropyHistograms(channels) }),

  async update(state, tile) {
    checkTokens(state.tokens + tile.rows);
    const refused = await entropyUpdate(bringHere(state), tile.data, tile.rows, tile.channels);
    if (refused >= 0) throw refusedChannel(NAME, tile, refused, 'it is not finite');
  },

  async merge(into, from) {
    checkTokens(into.tokens + from.tokens);
    if (into.histograms instanceof HeldHistograms && from.histograms instanceof HeldHistograms)
      into.histograms.merge(from.histograms);
    else await entropyMerge(bringHere(into), bringHere(from));
  },

  serialise(state) {
    const histograms = bringHere(state);
    entropyCount(histograms);
    return encodeHistograms(histograms, state.tokens);
  },

  deserialise: (bytes, channels, tokens) => ({
    histograms: decodeHistograms(bytes, channels, tokens, () => entropyHistograms(channels)),
  }),

  dispose({ histograms }) {
    if (histograms instanceof HeldHistograms) histograms.release();
    else freeHistograms(histograms);
  },

  onDevice: entropyOnDevice,
  takeOver: async (device, [address], channels, tokens) => ({
    histograms: await HeldHistograms.copied(device, address!, channels, tokens),
  }),

  cost: ({ channels, seqlen, sequences }) => ({
    bytes: channels * (HISTOGRAM_BYTES + 4 * Math.min(ENTROPY_PENDING_ROWS, seqlen * sequences)),
  }),
});

/** How the entropy is read off the histograms. */
export interface EntropyReading {
  /** Equal bins between the ends of the range. @default 100, as in the paper */
  readonly bins?: number;
  /**
   * `channel`: each channel's own minimum to maximum. `tap`: the least minimum to the greatest maximum of all
   * channels, so that a channel that varies little has little entropy. The paper leaves this open.
   *
   * @default 'channel'
   */
  readonly range?: 'channel' | 'tap';
}

/**
 * The information entropy of each channel, IE_j = -Σ_k p_k ln p_k in nats (E-Sparse, arXiv 2310.15929), within
 * 0.02 nats of the exact K-bin entropy on real activations, with two exceptions. Where a few single values carry
 * much of the mass (the normalised embeddings that a LLaMA's first block sees) the mean error is 0.004, but that of
 * one channel in a hundred reaches 0.07. And where nearly all mass lies far from zero within 1/1000 of the range,
 * an edge that cuts it is placed by its mean only, which can cost ln 2.
 *
 * @returns f32 (channels); 0 for a constant channel.
 * @throws EsparseError `usage` for an option out of range, or a state that has seen nothing.
 */
export async function entropyOf(state: EntropyState, reading: EntropyReading = {}): Promise<Float32Array> {
  const { bins = 100, range = 'channel' } = reading;
  if (!Number.isInteger(bins) || bins < 1 || bins > ENTROPY_MAX_BINS) {
    throw new EsparseError(
      'usage',
      `entropy: bins is ${bins}, expected a whole number from 1 to ${ENTROPY_MAX_BINS}`,
    );
  }
  // Options come from files and command lines: the type is a promise only.
  if (!['channel', 'tap'].includes(range)) {
    throw new EsparseError(
      'usage',
      `entropy: range is ${JSON.stringify(range)}, expected "channel" or "tap"`,
    );
  }
  return withLock([state], () => {
    if (state.tokens === 0) {
      throw new EsparseError('usage', 'entropy: no activations were seen', {
        hint: 'calibrate on one sequence at least',
      });
    }
    const boundsOf = (ranges: Float32Array) =>
      range === 'channel' ? ranges : widest(ranges, state.channels);
    return readThere(
      state,
      (held) => held.entropies(boundsOf(held.ranges()), state.tokens, bins),
      (here) => entropyFinish(here, boundsOf(here.ranges), state.tokens, bins),
    );
  });
}

/** Reads histograms where they are; of a device that has no room for that they come here first. */
export async function readThere<Reading>(
  state: Pick<EntropyState, 'histograms'>,
  there: (held: HeldHistograms) => Reading | Promise<Reading>,
  here: (histograms: EntropyHistograms) => Promise<Reading>,
): Promise<Reading> {
  const { histograms } = state;
  if (!(histograms instanceof HeldHistograms)) return here(histograms);
  try {
    return await there(histograms);
  } catch (error) {
    if (!lacksDeviceMemory(error)) throw error;
    return here(bringHere(state));
  }
}

/** The histograms of a state, which are in this process's memory from then on. */
function bringHere(state: Pick<EntropyState, 'histograms'>): EntropyHistograms {
  const { histograms } = state;
  if (!(histograms instanceof HeldHistograms)) return histograms;
  const here = (state.histograms = histograms.onHost());
  histograms.release();
  return here;
}

function freeHistograms({ bins, pending }: EntropyHistograms): void {
  free(bins);
  free(pending);
}

/** The least minimum and the greatest maximum, for every channel. */
function widest(ranges: Float32Array, channels: number): Float32Array {
  let low = Infinity;
  let high = -Infinity;
  for (let c = 0; c < channels; c++) {
    low = Math.min(low, ranges[c]!);
    high = Math.max(high, ranges[channels + c]!);
  }
  return new Float32Array(2 * channels).fill(low, 0, channels).fill(high, channels);
}

function checkTokens(tokens: number): void {
  if (tokens <= ENTROPY_MAX_TOKENS) return;
  throw new EsparseError(
    'unsupported',
    `entropy: ${tokens} tokens, at most ${ENTROPY_MAX_TOKENS} can be counted`,
    {
      hint: 'calibrate on fewer or shorter sequences',
    },
  );
}
