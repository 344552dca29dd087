import { EsparseError } from '@esparse/errors';
import { AMPLITUDE_DIGITS, amplitudeMerge, amplitudeUpdate } from '@esparse/kernels';
import type { Statistic } from './statistic.ts';

export interface AmplitudeState {
  readonly channels: number;
  readonly digits: Float64Array;
}

export const amplitude = ({ sequences }: { sequences: number }): Omit<Statistic<AmplitudeState>, 'serialise' | 'deserialise'> => ({
  name: 'amplitude',
  version: 1,
  create: (channels) => ({ channels, digits: new Float64Array(AMPLITUDE_DIGITS * channels) }),
  async update({ digits, channels }, { data, rows }) {
    const bad = await amplitudeUpdate(digits, data, rows, channels);
    if (bad >= 0) throw new EsparseError('numeric', `NaN or infinity in channel ${bad}`, { context: { channel: bad } });
  },
  merge(into, from) {
    amplitudeMerge(into.digits, from.digits);
    return Promise.resolve();
  },
  finish: (state) => Promise.resolve(amplitudeOf(state, sequences)),
});

export function amplitudeOf({ digits, channels }: AmplitudeState, sequences: number): Float32Array {
  return Float32Array.from({ length: channels }, (_, c) =>
    Math.sqrt((digits[c]! + (digits[channels + c]! + digits[2 * channels + c]!)) / sequences),
  );
}
