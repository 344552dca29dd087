import { EsparseError } from '@esparse/errors';
import {
  AMPLITUDE_DIGITS,
  AMPLITUDE_LIMIT,
  AMPLITUDE_MAX_ROWS,
  amplitudeMerge,
  amplitudeUpdate,
} from '@esparse/kernels';
import { checkAlike, checkChannels, checkTile, refusedChannel } from './checks.ts';
import { open, seal } from './envelope.ts';
import { damaged } from './frame.ts';
import type { Statistic, StatisticState } from './statistic.ts';
import { inTurn } from './turns.ts';

/** Σx² of each channel, exact. */
export interface AmplitudeState extends StatisticState {
  tokens: number;
  /** f64 (3, channels): see `amplitudeUpdate` of @esparse/kernels. */
  readonly digits: Float64Array;
}

/** The amplitude has no options. */
export type AmplitudeOptions = Readonly<Record<string, never>>;

const IDENTITY = { name: 'amplitude', version: 1, parameters: {} } as const;
const TOO_LARGE = `its sum of squares reaches ${AMPLITUDE_LIMIT}`;

/** Σx² per channel, summed exactly, for `amplitudeOf`. */
export const amplitude: Statistic<AmplitudeState, AmplitudeOptions> = {
  name: IDENTITY.name,
  version: IDENTITY.version,
  parameters: IDENTITY.parameters,

  create(channels) {
    checkChannels(IDENTITY.name, channels);
    const digits = new Float64Array(AMPLITUDE_DIGITS * channels);
    return { channels, tokens: 0, parameters: IDENTITY.parameters, digits };
  },

  async update(state, tile) {
    checkTile(IDENTITY.name, state, tile, AMPLITUDE_MAX_ROWS);
    await inTurn([state], async () => {
      const refused = await amplitudeUpdate(state.digits, tile.data, tile.rows, tile.channels);
      if (refused >= 0) throw refusedChannel(IDENTITY.name, tile, refused, TOO_LARGE);
      state.tokens += tile.rows;
    });
  },

  async merge(into, from) {
    checkAlike(IDENTITY.name, into, from);
    await inTurn([into, from], async () => {
      const refused = amplitudeMerge(into.digits, from.digits);
      if (refused >= 0) {
        throw new EsparseError('numeric', `amplitude: channel ${refused} is too large: ${TOO_LARGE}`);
      }
      into.tokens += from.tokens;
      await Promise.resolve();
    });
  },

  serialise(state) {
    const body = new Uint8Array(8 * state.digits.length);
    const view = new DataView(body.buffer);
    for (let i = 0; i < state.digits.length; i++) view.setFloat64(8 * i, state.digits[i]!, true);
    return seal(IDENTITY, state, body);
  },

  deserialise(bytes, expected) {
    const { channels, tokens, body } = open(IDENTITY, bytes, Number.MAX_SAFE_INTEGER, expected);
    const what = 'a state of the statistic amplitude';
    if (body.length !== 8 * AMPLITUDE_DIGITS * channels) {
      throw damaged(what, `${body.length} bytes do not fit ${channels} channels`);
    }
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const digits = new Float64Array(AMPLITUDE_DIGITS * channels);
    for (let i = 0; i < digits.length; i++) {
      digits[i] = view.getFloat64(8 * i, true);
      const [unit, limit] = DIGIT_RANGES[Math.floor(i / channels)]!;
      const whole = digits[i]! / unit;
      if (!Number.isInteger(whole) || whole < 0 || whole >= limit || Object.is(whole, -0)) {
        throw damaged(what, `channel ${i % channels} has a digit out of range`);
      }
    }
    return { channels, tokens, parameters: IDENTITY.parameters, digits };
  },
};

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
