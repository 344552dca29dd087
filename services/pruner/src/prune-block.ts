import {
  concatMap,
  finalize,
  from,
  lastValueFrom,
  of,
  pipe,
  tap,
  type Observable,
  type OperatorFunction,
} from 'rxjs';
import { tensorToHalf } from '@esparse/checkpoint';
import {
  abortWith,
  commit,
  finishStatistics,
  load,
  mask,
  oneByOne,
  pack,
  releaseReadings,
  score,
  shuffle,
  stage,
  type GuardOptions,
  type LinearJob,
  type LoadedLinear,
  type MaskedLinear,
  type PrunedLinear,
  type TapReadings,
} from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { relativeGain } from '@esparse/model-store';
import type { StageContext } from '@esparse/sparsity';
import { blockSink } from './block-sink.ts';
import { calibrateBlock$ } from './calibrate-block.ts';
import type { RunContext } from './run-context.ts';

/** Between two steps of a stage that are told. */
const STAGE_PROGRESS_MS = 250;

/**
 * Prunes one block: its activations stream into statistics, then its linears go one by one through score, shuffle,
 * mask and pack into a transaction of the store, which commits when the last is in.
 */
export async function pruneBlock(context: RunContext, block: number, signal?: AbortSignal): Promise<void> {
  const { metric, stopwatch } = context;
  const guard = { ...context.guard, signal };
  let done = 0;
  const progress = stageProgress(context, block, () => done);
  const pruneLinear: OperatorFunction<LinearJob, PrunedLinear> = pipe(
    load((job) => loadWeights(context, job, signal)),
    score(metric, guard),
    shuffle(context.shuffle, guard),
    mask(),
    stages(context, guard, progress),
    pack(),
    stopwatch.measure('prune', { 'esparse.block': block }),
  );
  const committed$ = readings$(context, block).pipe(
    concatMap((readings) =>
      from(linearJobs(context, block, readings)).pipe(
        oneByOne(pruneLinear),
        tap((linear) => {
          tellLinear(context, linear, ++done);
        }),
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

/** The pipeline's steps between mask and pack, in their order. */
function stages(
  { stages: steps, emit }: RunContext,
  guard: GuardOptions,
  progress: StageContext['progress'],
): OperatorFunction<MaskedLinear, MaskedLinear> {
  const note = (message: string) => {
    emit({ event: 'note', message });
  };
  return (linears$) =>
    steps.reduce((through$, step) => through$.pipe(stage(step, { note, progress }, guard)), linears$);
}

/** Tells how far a stage is as part of its linear, not more often than people can see. */
function stageProgress(
  { emit, layers }: RunContext,
  block: number,
  linearsDone: () => number,
): StageContext['progress'] {
  const total = layers.pruned(block).length;
  let told = 0;
  return (done, of) => {
    const now = performance.now();
    if (now - told < STAGE_PROGRESS_MS || !(of > 0)) return;
    told = now;
    const share = Math.min(1, Math.max(0, done / of));
    const linears = Math.round(100 * (linearsDone() + share)) / 100;
    emit({ event: 'progress', block, phase: 'prune', done: linears, total, unit: 'linears' });
  };
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

function tellLinear({ emit, layers }: RunContext, linear: PrunedLinear, done: number): void {
  const { job, packed, keptBefore, keptAfter } = linear;
  const { block, name, rows, cols } = job;
  emit({
    event: 'linear',
    block,
    linear: name,
    keptScoreGain: relativeGain(keptBefore, keptAfter),
    bytes: packed.values.byteLength + packed.indices.byteLength,
    denseBytes: rows * cols * 2,
  });
  emit({
    event: 'progress',
    block,
    phase: 'prune',
    done,
    total: layers.pruned(block).length,
    unit: 'linears',
  });
}
