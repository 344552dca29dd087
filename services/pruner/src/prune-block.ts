import { concatMap, finalize, from, lastValueFrom, of, pipe, tap, type Observable } from 'rxjs';
import { tensorToHalf } from '@esparse/checkpoint';
import {
  abortWith,
  commit,
  finishStatistics,
  oneByOne,
  pruneLinear,
  releaseReadings,
  type LinearJob,
  type LoadedLinear,
  type TapReadings,
} from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { blockSink } from './block-sink.ts';
import { calibrateBlock$ } from './calibrate-block.ts';
import { linearEvents } from './linear-events.ts';
import type { RunContext } from './run-context.ts';

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
  const committed$ = readings$(context, block).pipe(
    concatMap((readings) =>
      from(linearJobs(context, block, readings)).pipe(
        oneByOne(prune),
        tap(events.pruned),
        commit(() => blockSink(context, block, readings, signal)),
        finalize(() => {
          releaseReadings(readings);
        }),
      ),
    ),
    abortWith(signal),
  );
  await lastValueFrom(committed$);
}

/** What metric and stages need, tap by tap; nothing is streamed where they need nothing, or nothing is pruned. */
function readings$(context: RunContext, block: number): Observable<ReadonlyMap<string, TapReadings>> {
  const { layers, options, readers } = context;
  const taps = layers.taps(block).map(({ name }) => name);
  if (readers.size === 0 || taps.length === 0) return of(new Map<string, TapReadings>());
  return calibrateBlock$(context, block).pipe(
    context.stopwatch.measure('calibrate'),
    finishStatistics(taps, readers, { sequences: options.samples, block, guard: context.guard }),
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
