import { concatMap, finalize, from, lastValueFrom, of, pipe, tap, type Observable } from 'rxjs';
import { tensorToHalf } from '@esparse/checkpoint';
import {
  abortWith,
  commit,
  disposeStates,
  finishStatistics,
  oneByOne,
  pruneLinear,
  releaseReadings,
  statisticsOf,
  type LinearJob,
  type LoadedLinear,
  type TapReadings,
} from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import type { AnyStatistic } from '@esparse/statistics';
import { blockSink } from './block-sink.ts';
import { calibrateBlock$ } from './calibrate-block.ts';
import { linearEvents } from './linear-events.ts';
import type { RunContext } from './run-context.ts';
import { fallBack, MIN_EXPERT_TOKENS, starvedExperts, type StarvedExpert } from './starved-experts.ts';

/**
 * Prunes one block: its activations stream into statistics, then its linears go one by one through score, shuffle,
 * mask, stages and pack into a transaction of the store, which commits when the last is in.
 */
export async function pruneBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { metric, shuffle, stages, stopwatch } = context;
  const events = linearEvents(context, block);
  const prune = pipe(
    pruneLinear({
      metric,
      shuffle,
      stages,
      load: (job) => loadWeights(context, job, signal),
      report: events.report,
      guard: { ...context.guard, signal },
    }),
    stopwatch.measure('prune', { 'esparse.block': block }),
  );
  const starved: StarvedExpert[] = [];
  const committed$ = readings$(context, block, starved).pipe(
    concatMap((readings) =>
      from(linearJobs(context, block, readings)).pipe(
        oneByOne(prune),
        tap(events.pruned),
        commit(() => blockSink(context, { block, readings, starved }, signal)),
        finalize(() => {
          releaseReadings(readings);
        }),
      ),
    ),
    abortWith(signal),
  );
  await lastValueFrom(committed$);
}

/**
 * What metric and stages need, tap by tap; nothing is streamed where they need nothing, or nothing is pruned. Experts that saw
 * too few tokens have readings of all tokens of the layer.
 *
 * @param starved gets these experts
 */
function readings$(
  context: RunContext,
  block: number,
  starved: StarvedExpert[],
): Observable<ReadonlyMap<string, TapReadings>> {
  const { layers, options, readers, guard, emit } = context;
  const taps = layers.taps(block);
  if (readers.size === 0 || taps.length === 0) return of(new Map<string, TapReadings>());
  const [statistic] = statisticsOf(readers) as [AnyStatistic];
  const threshold = options.expertTokens ?? MIN_EXPERT_TOKENS;
  return calibrateBlock$(context, { block, taps, allTokens: false }).pipe(
    fallBack({
      taps,
      starved: (sketch) => starvedExperts(sketch, taps, statistic, threshold),
      gather$: (again) => calibrateBlock$(context, { block, taps: again, allTokens: true }),
      dispose: (states) => disposeStates(states, guard),
      report: (experts) => {
        starved.push(...experts);
        emit({ event: 'experts', block, threshold, starved: experts });
      },
    }),
    context.stopwatch.measure('calibrate'),
    finishStatistics(
      taps.map(({ name }) => name),
      readers,
      { sequences: options.samples, block, guard },
    ),
  );
}

function linearJobs(
  { layers }: RunContext,
  block: number,
  readings: ReadonlyMap<string, TapReadings>,
): LinearJob[] {
  return layers.pruned(block).map(({ name, tap: tapName, rows, cols, pattern }) => ({
    block,
    name,
    tap: tapName,
    rows,
    cols,
    pattern,
    readings: readings.get(tapName) ?? new Map(),
  }));
}

async function loadWeights(
  { checkpoint, description }: RunContext,
  { block, name }: LinearJob,
  signal?: AbortSignal,
): Promise<Pick<LoadedLinear, 'dtype' | 'weights'>> {
  const linear = description.linears.find((candidate) => candidate.name === name);
  if (linear === undefined) throw new EsparseError('internal', `no linear ${name}`);
  const tensor = linear.weight(block);
  const { dtype, bits } = tensorToHalf(checkpoint.info(tensor).dtype, await checkpoint.read(tensor, signal));
  return { dtype, weights: bits };
}
