/**
 * A statistic of one's own with its merge, and a metric that uses it: Wanda's score times a power of the channel's
 * kurtosis, so that channels that are quiet but for a few tokens count for more.
 *
 *   npx esparse prune --pipeline examples/plugins/kurtosis.ts --set power=0.25 \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/kurtosis.zarr
 *
 * The law that every statistic keeps is tested in test/e2e/examples.long.test.ts with `statisticLaws`.
 */
import {
  channelAmplitude,
  damagedState,
  defineMetric,
  definePipeline,
  defineStatistic,
  EsparseError,
  readerOf,
  scoreByChannel,
  SHUFFLES,
  shuffleOption,
  z,
} from '@esparse/api';
import { addExactly, DIGITS, MAX_TERMS, valueOf } from './exact-sum.ts';

/** f64 (2, DIGITS, channels): the digits of Σx² and of Σx⁴, each a whole number. */
interface Moments {
  readonly sums: Float64Array;
}

const FOURTH = DIGITS;

/** To add one activation's square and fourth power, as seen on a processor of today. */
const SECONDS_A_VALUE = 20e-9;

/** Σx² and Σx⁴ of each channel, exact: any order of rows gives the same bits. */
export const moments = defineStatistic<Moments>({
  name: 'moments',
  maxTokens: MAX_TERMS,
  create: (channels) => ({ sums: new Float64Array(2 * DIGITS * channels) }),

  update({ sums }, { data, rows, channels }) {
    const before = sums.slice();
    for (let i = 0; i < rows * channels; i++) {
      const c = i % channels;
      const square = data[i]! ** 2;
      if (
        !addExactly(sums, c, channels, square) ||
        !addExactly(sums, FOURTH * channels + c, channels, square ** 2)
      ) {
        // A tile counts as a whole or not at all.
        sums.set(before);
        throw new EsparseError(
          'numeric',
          `moments: channel ${c} is ${data[i]!}: too large to be added exactly`,
        );
      }
    }
  },

  merge(into, from) {
    for (let i = 0; i < into.sums.length; i++) into.sums[i] = into.sums[i]! + from.sums[i]!;
  },

  serialise({ sums }) {
    const bytes = new Uint8Array(8 * sums.length);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < sums.length; i++) view.setFloat64(8 * i, sums[i]!, true);
    return bytes;
  },

  deserialise(bytes, channels) {
    const sums = new Float64Array(2 * DIGITS * channels);
    if (bytes.length !== 8 * sums.length) throw damagedState('moments', 'it has another length');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < sums.length; i++) {
      sums[i] = view.getFloat64(8 * i, true);
      if (!Number.isSafeInteger(sums[i])) throw damagedState('moments', 'a digit is no whole number');
    }
    return { sums };
  },

  // What `esparse plan` adds up.
  cost: ({ channels, seqlen }) => ({
    bytes: 8 * 2 * DIGITS * channels,
    seconds: SECONDS_A_VALUE * channels * seqlen,
  }),
});

/** The kurtosis about zero of each channel, n Σx⁴ / (Σx²)²: 3 for a normal one, 1 for one that is always 0. */
export const channelKurtosis = {
  ...readerOf(moments, ({ sums, channels, tokens }) =>
    Float32Array.from({ length: channels }, (_, c) => {
      const second = valueOf(sums, c, channels);
      return second === 0 ? 1 : (tokens * valueOf(sums, FOURTH * channels + c, channels)) / second ** 2;
    }),
  ),
  perChannel: true,
};

const options = z.object({
  power: z.number().min(0).default(0.25).describe('power of the kurtosis: 0 is Wanda'),
});

export const tailed = defineMetric({
  name: 'tailed',
  options,
  statistics: { amplitude: channelAmplitude, kurtosis: channelKurtosis },
  score({ dtype, weights, rows, cols, statistics: { amplitude, kurtosis } }, { options: { power } }) {
    const importance = amplitude.map((value, j) => value * kurtosis[j]! ** power);
    return scoreByChannel(dtype, weights, rows, cols, importance);
  },
});

export default definePipeline({
  name: 'tailed',
  summary: 'Wanda times a power of the kurtosis of the channel',
  options: options.extend({ shuffle: shuffleOption('none') }),
  create: ({ power, shuffle }) => ({ metric: tailed({ power }), shuffle: SHUFFLES[shuffle]() }),
});
