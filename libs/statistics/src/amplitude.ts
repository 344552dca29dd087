import { EsparseError } from '@esparse/errors';
import {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
} from '@esparse/kernels';
import { amplitudeOnDevice } from './amplitude-device.ts';
import { refusedChannel } from './checks.ts';
import { defineStatistic } from './define.ts';
import { damagedState } from './envelope.ts';
import type { StatisticState } from './statistic.ts';

/** Σx² of each channel, exact. */
export interface AmplitudeState extends StatisticState {
  tokens: number;
  /** f64 (3, channels): see `amplitudeUpdate` of @esparse/kernels. */
  readonly digits: Float64Array;
}

const NAME = 'amplitude';
const TOO_LARGE = `its sum of squares reaches ${AMPLITUDE_LIMIT}`;

/** Σx² per channel, summed exactly, for `amplitudeOf`. */
export const amplitude = defineStatistic<Pick<AmplitudeState, 'digits'>>({
  name: NAME,
  maxRows: AMPLITUDE_MAX_ROWS,

  create: (channels) => ({ digits: new Float64Array(AMPLITUDE_DIGITS * channels) }),

  async update({ digits }, tile) {
    const refused = await amplitudeUpdate(digits, tile.data, tile.rows, tile.channels);
    if (refused >= 0) throw refusedChannel(NAME, tile, refused, TOO_LARGE);
  },

  merge(into, from) {
    const refused = amplitudeMerge(into.digits, from.digits);
    if (refused < 0) return;
    throw new EsparseError('numeric', `${NAME}: channel ${refused} is too large: ${TOO_LARGE}`);
  },

  serialise({ digits }) {
    const body = new Uint8Array(8 * digits.length);
    const view = new DataView(body.buffer);
    for (let i = 0; i < digits.length; i++) view.setFloat64(8 * i, digits[i]!, true);
    return body;
  },

  deserialise(bytes, channels) {
    if (bytes.length !== 8 * AMPLITUDE_DIGITS * channels) {
      throw damagedState(NAME, `${bytes.length} bytes do not fit ${channels} channels`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const digits = new Float64Array(AMPLITUDE_DIGITS * channels);
    for (let i = 0; i < digits.length; i++) {
      digits[i] = view.getFloat64(8 * i, true);
      const [unit, limit] = DIGIT_RANGES[Math.floor(i / channels)]!;
      const whole = digits[i]! / unit;
      if (!Number.isInteger(whole) || whole < 0 || whole >= limit || Object.is(whole, -0)) {
        throw damagedState(NAME, `channel ${i % channels} has a digit out of range`);
      }
    }
    return { digits };
  },

  onDevice: (device, channels) => amplitudeOnDevice(device, channels, TOO_LARGE),

  cost: ({ channels }) => ({ bytes: 8 * AMPLITUDE_DIGITS * channels }),
});

/** Unit and number of values of each digit. */
const DIGIT_RANGES = [
  [1, AMPLITUDE_LIMIT],
  [2 ** -32, 2 ** 32],
  [2 ** -64, 2 ** 32],
] as const;

/**
 * The amplitude of each channel, AM_j = sqrt(Σ_t X[t, j]² / sequences): the mean is over calibration sequences and
 * the sum over all their tokens, Wanda's convention (E-Sparse, arXiv 2310.15929).
 *
 * @param sequences how many calibration sequences the state has seen.
 * @returns f32 (channels)
 * @throws EsparseError `internal` unless `sequences` is a whole number above 0.
 */
export function amplitudeOf(state: AmplitudeState, sequences: number): Float32Array {
  if (!Number.isInteger(sequences) || sequences < 1) {
    throw new EsparseError('internal', `amplitude: the mean over ${sequences} sequences was asked for`);
  }
  const { channels, digits } = state;
  const out = new Float32Array(channels);
  for (let c = 0; c < channels; c++) {
    const sum = digits[c]! + (digits[channels + c]! + digits[2 * channels + c]!);
    out[c] = Math.sqrt(sum / sequences);
  }
  return out;
}
