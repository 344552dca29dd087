import { concatMap, finalize, from, identity, lastValueFrom, of, tap, type Observable } from 'rxjs';
import { tensorToHalf } from '@esparse/checkpoint';
import {
  abortWith,
  commit,
  createTurns,
  disposeStates,
  finishStatistics,
  pruneLinear,
  releaseReadings,
  severalAtOnce,
  statisticsOf,
  type LinearJob,
  type LoadedLinear,
  type TapReadings,
} from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { lend } from '@esparse/kernels';
import { kindOf, isGraph, producersOf, type Producers, type TapSpec } from '@esparse/model';
import type { AnyStatistic } from '@esparse/statistics';
import type { Commit } from '@esparse/store';
import { blockSink, type BlockFindings } from './block-sink.ts';
import { throughBlockStages } from './block-stages.ts';
import { calibrateBlock$ } from './calibrate-block.ts';
import { linearEvents } from './linear-events.ts';
import { isFigure } from './tap-figures.ts';
import { measuredLoad } from './operators/measured-load.ts';
import type { OperatorMeter } from './operators/meter.ts';
import { COMMIT, MASK, PACK } from './operators/names.ts';
import type { RunContext } from './run-context.ts';
import { linearsAtOnce } from './solver-device.ts';
import { fallBack, MIN_EXPERT_TOKENS, starvedExperts } from './starved-experts.ts';
import { tapGroups } from './tap-groups.ts';

/**
 * Prunes one block: its activations stream into statistics, then its linears go through score, shuffle, mask, stages and pack
 * into a transaction of the store, which commits when the last is in. They do so one by one; of several devices each has one, those
 * that take longest first, while one is read and one is packed, and each is written when it is packed. Where there are block stages, the
 * linears wait for each other, packed, and go through these together before they are written. Where the statistics of all of
 * a mixture's experts would take too much memory, some experts come after the others.
 *
 * @param gathered - called once nothing more of the block's activations is wanted
 */
export async function pruneBlock(
  context: RunContext,
  block: number,
  signal?: AbortSignal,
  gathered: () => void = () => undefined,
): Promise<Commit> {
  const { metric, shuffle, stages, stopwatch, meter, devices } = context;
  const events = linearEvents(context, block);
  const reads = Math.max(1, devices.length);
  const loading = measuredLoad(meter, (job) => loadWeights(context, job, signal), reads);
  const prune = pruneLinear({
    metric,
    shuffle,
    stages,
    load: loading.load,
    encoding: context.blockStages.length === 0 ? context.options.encoding?.encoding : undefined,
    report: events.report,
    devices: devices.length > 0 ? createTurns(devices) : undefined,
    guard: { ...context.guard, signal },
    figures: context.figures,
    watch: { mask: stepOf(meter, MASK), pack: stepOf(meter, PACK) },
  });
  const findings: BlockFindings = {
    block,
    readings: new Map(),
    starved: [],
    tensors: new Map(),
    reports: [],
  };
  const groups = tapGroups(context.layers.taps(block), (each) => stateBytes(context, each));
  const begunFirst = devices.length > 1 ? longestFirst : identity;
  const pruned$ = from(groups).pipe(
    concatMap((taps, group) => {
      // Devices prune a linear in the time that it takes to read one: the first are read while their inputs are gathered.
      if (devices.length > 0) loading.expect(begunFirst(linearJobs(context, block, taps, new Map())));
      return readings$(context, findings, taps).pipe(
        concatMap((readings) => {
          if (group === groups.length - 1) gathered();
          keepVectors(findings, readings);
          const jobs = linearJobs(context, block, taps, readings);
          if (devices.length === 0) loading.expect(jobs);
          const order = {
            atOnce: linearsAtOnce(devices.length),
            first: begunFirst(jobs),
            inOrder: context.blockStages.length > 0,
          };
          return severalAtOnce(jobs, order, prune).pipe(
            stopwatch.measure('prune', { 'esparse.block': block }),
            finalize(() => {
              releaseReadings(readings);
            }),
          );
        }),
      );
    }),
  );
  const committed$ = pruned$.pipe(
    tap(events.pruned),
    throughBlockStages(context, findings, events, signal),
    tap(() => {
      meter.queue(COMMIT, 1);
    }),
    commit(() => blockSink(context, findings, signal)),
    abortWith(signal),
  );
  return lastValueFrom(committed$);
}

/**
 * The longest work at the end would be waited for by all other devices. Most of it are products of a linear's rows with a matrix over its
 * inputs; where nothing is solved for, linears of one size take the same time in any order.
 */
function longestFirst(jobs: readonly LinearJob[]): readonly LinearJob[] {
  return [...jobs].sort((a, b) => b.rows * b.cols ** 2 - a.rows * a.cols ** 2);
}

/** Tells the meter when an operator works on a linear. */
function stepOf(meter: OperatorMeter, operator: string) {
  return () => {
    const end = meter.busy(operator);
    return () => {
      end();
      meter.done(operator, 1);
    };
  };
}

/** What the states of a tap's statistics take, as these say. */
function stateBytes({ readers, options, shards }: RunContext, { channels }: TapSpec): number {
  const shape = { channels, seqlen: options.seqlen, sequences: shards[0]!.sequences };
  return statisticsOf(readers).reduce((sum, { cost }) => sum + (cost?.(shape).bytes ?? 0), 0);
}

/** Keeps those readings that the block will: the others are released with the linears that they are for. */
function keepVectors({ readings: kept }: BlockFindings, readings: ReadonlyMap<string, TapReadings>): void {
  for (const [name, found] of readings) {
    kept.set(
      name,
      new Map([...found].filter(([reader, reading]) => reading instanceof Float32Array || isFigure(reader))),
    );
  }
}

/**
 * What metric and stages need, tap by tap; nothing is streamed where they need nothing, or nothing is pruned. Experts that saw
 * too few tokens have readings of all tokens of the layer, and are among the findings.
 */
function readings$(
  context: RunContext,
  { block, starved }: BlockFindings,
  taps: readonly TapSpec[],
): Observable<ReadonlyMap<string, TapReadings>> {
  const { options, readers, guard, emit } = context;
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

/** The linears that read these taps. */
function linearJobs(
  { layers, description, reaches }: RunContext,
  block: number,
  taps: readonly TapSpec[],
  readings: ReadonlyMap<string, TapReadings>,
): LinearJob[] {
  const linears = layers.pruned(block).filter((linear) => taps.some(({ name }) => name === linear.tap));
  const program = isGraph(description)
    ? []
    : (description.program.blocks[kindOf(description.program, block)] ?? []);
  return linears.map((linear) => ({
    block,
    name: linear.name,
    tap: linear.tap,
    rows: linear.rows,
    cols: linear.cols,
    pattern: linear.pattern,
    reach: isGraph(description)
      ? (reaches?.get(linear.name) ?? 'none')
      : reachOf(producersOf(program, linear)),
    readings: readings.get(linear.tap) ?? new Map(),
  }));
}

/** Which orders of a linear's inputs an export can fold into the linears that make them. */
function reachOf(producers: Producers | undefined): LinearJob['reach'] {
  return producers === undefined ? 'none' : (producers.heads ?? 'all');
}

async function loadWeights(
  { checkpoint, description, devices }: RunContext,
  { block, name, rows, cols }: LinearJob,
  signal?: AbortSignal,
): Promise<Pick<LoadedLinear, 'dtype' | 'weights'>> {
  const linear = description.linears.find((candidate) => candidate.name === name);
  if (linear === undefined) throw new EsparseError('internal', `no linear ${name}`);
  const tensor = linear.weight(block);
  const stored = checkpoint.info(tensor).dtype;
  // Devices prune gigabytes a second.
  const lent = devices.length > 0 && stored !== 'F32' ? lend(rows * cols) : undefined;
  const into = lent && new Uint8Array(lent.buffer, lent.byteOffset, lent.byteLength);
  const { dtype, bits } = tensorToHalf(stored, await checkpoint.read(tensor, signal, into), description.half);
  return { dtype, weights: lent?.buffer === bits.buffer ? lent : bits };
}
