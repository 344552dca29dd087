import type { LawTile } from '../index.ts';

export interface LargestState {
  readonly values: Float32Array;
}

/** The largest |x| of each channel: a lawful statistic in a few lines, for tests that break one law at a time. */
export const largest = {
  name: 'largest',
  create: (channels: number): LargestState => ({ values: new Float32Array(channels) }),
  update({ values }: LargestState, { data, channels }: LawTile): Promise<void> {
    data.forEach((x, i) => {
      values[i % channels] = Math.max(values[i % channels]!, Math.abs(x));
    });
    return Promise.resolve();
  },
  merge(into: LargestState, from: LargestState): Promise<void> {
    from.values.forEach((x, c) => {
      into.values[c] = Math.max(into.values[c]!, x);
    });
    return Promise.resolve();
  },
  serialise: ({ values }: LargestState) => new Uint8Array(values.slice().buffer),
  deserialise: (bytes: Uint8Array): LargestState => ({ values: new Float32Array(bytes.slice().buffer) }),
};

/** A reader of it. */
export const largestReader = {
  statistic: largest,
  read: ({ values }: LargestState) => Promise.resolve(values.slice()),
};
