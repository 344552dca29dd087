import { amplitude, amplitudeOf, type AmplitudeState } from './amplitude.ts';
import { entropy, entropyOf, type EntropyReading, type EntropyState } from './entropy.ts';
import type { AnyStatistic } from './partial.ts';
import type { StatisticState } from './statistic.ts';

/** What a reading may depend on besides the state. */
export interface ReadingContext {
  /** Calibration sequences that the state has seen. */
  readonly sequences: number;
}

/** A statistic, and how what somebody wants of it is read off its state, into memory of its own. */
export interface StatisticReader<Reading = unknown> {
  readonly statistic: AnyStatistic;
  read(state: StatisticState, context: ReadingContext): Promise<Reading>;
}

/** What a metric or a stage needs of each tap, by names of its own. */
export type StatisticReaders = Readonly<Record<string, StatisticReader>>;

/** What it gets: a reading for each name. */
export type Readings<Readers extends StatisticReaders> = {
  readonly [Name in keyof Readers]: Readers[Name] extends StatisticReader<infer Reading> ? Reading : never;
};

/** Amplitude of each channel, (channels): see `amplitudeOf`. */
export const channelAmplitude: StatisticReader<Float32Array> = {
  statistic: amplitude,
  read: (state, { sequences }) => Promise.resolve(amplitudeOf(state as AmplitudeState, sequences)),
};

/** Information entropy of each channel, (channels): see `entropyOf`. */
export function channelEntropy(options: EntropyReading): StatisticReader<Float32Array> {
  return {
    statistic: entropy,
    read: (state) => entropyOf(state as EntropyState, options),
  };
}
