import { readersOf } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import type { ConfiguredPipeline } from '@esparse/sparsity';
import {
  channelHistograms,
  channelTopTokens,
  checkPlugin,
  entropy,
  sampledRows,
  sameParameters,
  STATISTICS,
  type AnyStatistic,
  type StatisticReader,
  type StatisticReaders,
} from '@esparse/statistics';
import type { PruneOptions } from './options.ts';

/**
 * What metric and stages need of each tap, and nothing else. A statistic that several of them need is gathered once, as the
 * first of them brings it; the names that they give to its readings are their own.
 *
 * @throws EsparseError 'usage' where two different statistics have one name, or where workers are to gather one that they
 * do not know
 * @param onGpus - whether workers compute on NVIDIA GPUs; as if they did where that is not known yet
 */
export function checkedReaders(
  { name: pipeline, metric, stages, outputError }: Pick<ConfiguredPipeline, 'name' | FigureParts>,
  { combine, ...options }: Pick<PruneOptions, 'combine' | 'figures' | 'figureTokens'>,
  onGpus = true,
): ReadonlySet<StatisticReader> {
  const statistics = new Map<string, AnyStatistic>();
  const forFigures = figureStatistics({ metric, stages, outputError }, options);
  const parts = [metric, ...stages, { name: 'figures', statistics: forFigures }];
  for (const { name: part, statistics: needed } of parts) {
    const who = `${part} of pipeline ${pipeline}`;
    for (const [name, reader] of Object.entries(needed)) {
      checkReader(who, name, reader);
      const { statistic } = reader;
      const other = statistics.get(statistic.name) ?? STATISTICS.get(statistic.name) ?? statistic;
      if (!isSame(statistic, other)) {
        throw new EsparseError(
          'usage',
          `two statistics are called ${statistic.name}: ${who} brings the second`,
          {
            hint: 'give one another name, or, where they are versions of the same, use one of them',
          },
        );
      }
      statistics.set(statistic.name, other);
      if (combine === 'worker' && !isKnownToWorkers(statistic, onGpus)) {
        throw notGathered(`${statistic.name} of ${who}`);
      }
    }
  }
  return readersOf(parts);
}

/** What of a pipeline figures depend on. */
type FigureParts = 'metric' | 'stages' | 'outputError';

/**
 * Whether a run finds how much the output of each linear changes: unless it is told not to, where activations are gathered
 * anyway, or figures are asked for.
 */
export function comparesOutputs(
  { metric, stages, outputError }: Pick<ConfiguredPipeline, FigureParts>,
  { figures }: Pick<PruneOptions, 'figures'>,
): boolean {
  const gathers = [metric, ...stages].some(({ statistics }) => Object.keys(statistics).length > 0);
  return outputError && (gathers || figures === true);
}

/**
 * What figures for a report need of each tap, by names of their own: some rows where outputs are compared, histograms where
 * entropies are taken anyway, and the tokens at which channels are largest where these are asked for.
 */
export function figureStatistics(
  pipeline: Pick<ConfiguredPipeline, FigureParts>,
  { figures, figureTokens }: Pick<PruneOptions, 'figures' | 'figureTokens'>,
): StatisticReaders {
  const { metric, stages } = pipeline;
  const hasEntropy = [metric, ...stages].some(({ statistics }) =>
    Object.values(statistics).some(({ statistic }) => statistic === entropy),
  );
  return {
    ...(comparesOutputs(pipeline, { figures }) && { sample: sampledRows }),
    ...(figures === true && hasEntropy && { histogram: channelHistograms }),
    ...(figures === true && figureTokens === true && { topTokens: channelTopTokens }),
  };
}

/**
 * Where statistics are made if nothing is said: in workers on NVIDIA GPUs, where activations need not leave the GPU, if they
 * know all statistics.
 */
export function usualCombine(readers: ReadonlySet<StatisticReader>, numerics: string): 'pruner' | 'worker' {
  const onGpus = areOnGpus(numerics);
  return onGpus && [...readers].every(({ statistic }) => isKnownToWorkers(statistic, onGpus))
    ? 'worker'
    : 'pruner';
}

/** Whether workers compute on NVIDIA GPUs, by what their numerics id says. */
export function areOnGpus(numerics: string): boolean {
  return numerics.startsWith('cuda/');
}

/** @throws EsparseError 'usage' where workers are to gather what only those on GPUs do, and they are not */
export function requireGathered(
  readers: ReadonlySet<StatisticReader>,
  combine: 'pruner' | 'worker',
  numerics: string,
): void {
  const unknown = [...readers].find(({ statistic }) => !isKnownToWorkers(statistic, areOnGpus(numerics)));
  if (combine === 'worker' && unknown !== undefined) throw notGathered(unknown.statistic.name);
}

function notGathered(what: string): EsparseError {
  return new EsparseError('usage', `workers cannot gather the statistic ${what}`, {
    hint: 'leave out --combine worker with this pipeline',
  });
}

/** Whether workers can gather it: those that come with esparse and are asked for by their names, some on GPUs only. */
export function isKnownToWorkers({ name, pieces }: AnyStatistic, onGpus: boolean): boolean {
  return STATISTICS.get(name) !== undefined || (onGpus && pieces !== undefined);
}

/** Names where sums were made, where their bits depend on that: a part of the run's fingerprint. @returns '' where they do not */
export function sumsId(readers: ReadonlySet<StatisticReader>, combine: 'pruner' | 'worker'): string {
  const onDevices =
    combine === 'worker' && [...readers].some(({ statistic }) => statistic.pieces !== undefined);
  return onDevices ? 'sums/device-1' : '';
}

/**
 * Whether two statistics may stand for each other: those that come with esparse are one object, others may be made anew for
 * each stage.
 */
function isSame(one: AnyStatistic, other: AnyStatistic): boolean {
  if (STATISTICS.get(one.name) !== undefined) return one === other;
  return one.version === other.version && sameParameters(one.parameters, other.parameters);
}

/** Readings are kept in the store under their names. */
const READING_NAME = /^[A-Za-z][\w-]{0,63}$/;

/** Plain JavaScript may pass anything. */
function checkReader(who: string, name: string, reader: Partial<StatisticReader> | undefined): void {
  if (!READING_NAME.test(name)) {
    throw new EsparseError('usage', `${who}: it calls a reading ${JSON.stringify(name)}`, {
      hint: 'names of readings are up to 64 letters, digits, - and _, and begin with a letter',
    });
  }
  if (typeof reader?.read !== 'function' || typeof reader.statistic?.update !== 'function') {
    throw new EsparseError('usage', `${who}: what it needs as ${name} is no reading of a statistic`, {
      hint: 'make it with readerOf, or use channelAmplitude or channelEntropy, of @esparse/api',
    });
  }
  checkPlugin('statistic', reader.statistic.name, reader.statistic.version);
}
