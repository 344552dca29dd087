import { EsparseError } from '@esparse/errors';
import { ENTROPY_WORDS, entropyFinish, entropyMerge, entropyUpdate, type EntropyHistograms } from '@esparse/kernels';
import type { Statistic } from './statistic.ts';

export interface EntropyState extends EntropyHistograms {
  readonly channels: number;
  tokens: number;
}

export const entropy = (options: { bins: number; range: 'channel' | 'tap' }): Omit<Statistic<EntropyState>, 'serialise' | 'deserialise'> => ({
  name: 'entropy',
  version: 1,
  create: (channels) => ({
    channels,
    tokens: 0,
    ranges: new Float32Array(2 * channels).fill(Infinity, 0, channels).fill(-Infinity, channels),
    zeros: new Uint32Array(channels),
    bins: new Uint32Array(channels * ENTROPY_WORDS),
  }),
  async update(state, { data, rows, channels }) {
    const bad = await entropyUpdate(state, data, rows, channels);
    if (bad >= 0) throw new EsparseError('numeric', `NaN or infinity in channel ${bad}`, { context: { channel: bad } });
    state.tokens += rows;
  },
  async merge(into, from) {
    await entropyMerge(into, from);
    into.tokens += from.tokens;
  },
  finish: (state) => entropyOf(state, options),
});

export function entropyOf(
  state: EntropyState,
  { bins, range }: { bins: number; range: 'channel' | 'tap' },
): Promise<Float32Array> {
  const { channels, ranges, tokens } = state;
  const bounds = ranges.slice();
  if (range === 'tap') {
    bounds.fill(ranges.subarray(0, channels).reduce((a, b) => Math.min(a, b)), 0, channels);
    bounds.fill(ranges.subarray(channels).reduce((a, b) => Math.max(a, b)), channels);
  }
  return entropyFinish(state, bounds, tokens, bins);
}
