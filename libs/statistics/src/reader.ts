import { amplitude, amplitudeOf } from './amplitude.ts';
import { entropy, entropyOf, type EntropyReading } from './entropy.ts';
import type { AnyStatistic, Statistic, StatisticState } from './statistic.ts';

/** What a reading may depend on besides the state. */
export interface ReadingContext {
  /** Calibration sequences that the state has seen. */
  readonly sequences: number;
}

/** A statistic, and how a reading is taken from its state, into memory of its own. */
export interface StatisticReader<Reading = unknown> {
  readonly statistic: AnyStatistic;
  read(state: StatisticState, context: ReadingContext): Promise<Reading>;
  /** Whether a reading is a number for each channel, f32 (channels): the store keeps those, so a plan counts them. @default false */
  readonly perChannel?: boolean;
  /** Releases a reading after the last linear of its block, where it holds what no garbage collector frees, such as a file. */
  release?(reading: Reading): void;
}

/** What a metric or a stage needs of each tap, by names of its own. */
export type StatisticReaders = Readonly<Record<string, StatisticReader>>;

/** What it gets: a reading for each name. */
export type Readings<Readers extends StatisticReaders> = {
  readonly [Name in keyof Readers]: NonNullable<Readers[Name]> extends StatisticReader<infer Reading>
    ? Reading
    : never;
};

/**
 * A reading of a statistic by its type.
 *
 * @example readerOf(amplitude, (state, { sequences }) => amplitudeOf(state, sequences))
 */
export function readerOf<State extends StatisticState, Reading>(
  statistic: Statistic<State, unknown>,
  read: (state: State, context: ReadingContext) => Reading | Promise<Reading>,
  release?: (reading: Reading) => void,
): StatisticReader<Reading> {
  return {
    statistic,
    // Whoever gathers a statistic hands its own states to its readers, and no others.
    read: async (state, context) => read(state as State, context),
    ...(release === undefined ? {} : { release }),
  };
}

/** Amplitude of each channel, (channels): see `amplitudeOf`. */
export const channelAmplitude: StatisticReader<Float32Array> = {
  ...readerOf(amplitude, (state, { sequences }) => amplitudeOf(state, sequences)),
  perChannel: true,
};

/** Information entropy of each channel, (channels): see `entropyOf`. */
export function channelEntropy(options: EntropyReading): StatisticReader<Float32Array> {
  return { ...readerOf(entropy, (state) => entropyOf(state, options)), perChannel: true };
}
