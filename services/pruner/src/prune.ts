import { PLUGIN_TIMEOUT_MS, type GuardOptions } from '@esparse/dataflow';
import { nameOfLocation, resolveLocation, showLocation } from '@esparse/storage';
import { inspectBlocks, totalsOf } from '@esparse/model-store';
import { branchesOf } from '@esparse/model';
import { openInferenceKernels } from '@esparse/kernels';
import { clientCredentials, connectWorker } from '@esparse/protocol';
import { sampledRows, type StatisticReader } from '@esparse/statistics';
import { createOrOpenStore, openStore, type Store } from '@esparse/store';
import { peakResidentBytes, trace, type OpenSpan } from '@esparse/telemetry';
import { advanceBlock } from './advance-block.ts';
import { cancelledRun, type KeptBlocks } from './cancelled-run.ts';
import { openWorkers, peaksOf } from './open-workers.ts';
import { removeHiddenBefore, removeHiddenStates } from './hidden-states.ts';
import { bringHiddenStatesTo, firstOpenBlock } from './resume.ts';
import type { PruneEvent, PruneReport, RunEvent } from './events.ts';
import { patternInWords, prunedLinears } from './layers.ts';
import type { LocalWorkers } from './local-worker.ts';
import type { PruneOptions } from './options.ts';
import { createOperatorMeter, type OperatorMeter } from './operators/meter.ts';
import { operatorUnits } from './operators/names.ts';
import { observe } from './operators/observe.ts';
import { watchPlugins } from './operators/watch-plugins.ts';
import { nearestUnfinished, requireExistingRun, type AskedRun } from './other-runs.ts';
import { attributesFingerprint, attributesOf, prepare, type Preparation } from './prepare.ts';
import { pruneBesideDense } from './prune-beside-dense.ts';
import type { RunContext } from './run-context.ts';
import { blockStageBytes } from './require-fitting-blocks.ts';
import { requireSpace } from './require-space.ts';
import { sharingWith } from './sharing.ts';
import { openSolver, type SolverDevice } from './solver-device.ts';
import { numericsOf, thenRelease } from './stages.ts';
import { stampEvents } from './stamp-events.ts';
import { needsDenseStates, needsHiddenStates } from './states-needed.ts';
import {
  areOnGpus,
  checkedReaders,
  comparesOutputs,
  requireGathered,
  sumsId,
  usualCombine,
} from './statistics.ts';
import { createStopwatch, type Stopwatch } from './stopwatch.ts';
import { startWatchdog } from './watchdog.ts';
import { writeBeside, writeOuter } from './write-outside-blocks.ts';
import { createWorkerPool, type WorkerPool } from './pool/worker-pool.ts';

/** How long tasks wait for the worker that was started here: it is not started again. */
const LOCAL_WAIT_MS = 3_000;

export interface PruneDependencies {
  /** Starts the worker that serves a run where the options name none. */
  readonly startWorker: (roots: readonly string[], signal?: AbortSignal) => Promise<LocalWorkers>;
  readonly emit: (event: PruneEvent) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Prunes a checkpoint into a store: one block at a time, each committed before the next is begun, so that neither
 * this process nor a worker ever holds more than one block. A run that is finished already is not done again.
 *
 * @throws EsparseError on bad input (before anything is written), a worker or a store that fails, or cancellation: it then
 *   says what is kept.
 */
export async function prune(options: PruneOptions, dependencies: PruneDependencies): Promise<PruneReport> {
  const kept: KeptBlocks = {};
  try {
    return await trace('run', { 'esparse.pipeline': options.pipeline.name }, (span) =>
      pruneTraced(options, dependencies, span, kept),
    );
  } catch (error) {
    const { signal } = dependencies;
    // Whatever fails because the run was cancelled, it was cancelled.
    throw signal?.aborted === true ? cancelledRun(signal.reason, kept) : error;
  }
}

async function pruneTraced(
  options: PruneOptions,
  dependencies: PruneDependencies,
  span: OpenSpan,
  kept: KeptBlocks,
): Promise<PruneReport> {
  const { signal } = dependencies;
  const emit = stampEvents(dependencies.emit);
  const stopwatch = createStopwatch();
  const started = performance.now();
  // Refused before anything is read or written.
  const readers = checkedReaders(options.pipeline, options);
  const preparation = await stopwatch.time('open', () => prepare(options, signal));
  try {
    const session = {
      options: preparation.options,
      signal,
      emit,
      preparation,
      readers,
      stopwatch,
      started,
      span,
      kept,
    };
    return await prunePrepared(session, dependencies);
  } finally {
    await preparation.checkpoint.close();
  }
}

async function prunePrepared(
  prepared: Omit<Session, 'guard' | 'meter' | 'devices'>,
  dependencies: PruneDependencies,
): Promise<PruneReport> {
  const { options, preparation } = prepared;
  const { shuffle, stages } = options.pipeline;
  const linears = prunedLinears(preparation.layers, preparation.description.blocks);
  const solver = await openSolver(options.solver, [shuffle, ...stages], linears);
  try {
    return await pruneSolving({ ...prepared, devices: solver.devices }, dependencies);
  } finally {
    solver.close();
  }
}

async function pruneSolving(
  prepared: Omit<Session, 'guard' | 'meter'>,
  dependencies: PruneDependencies,
): Promise<PruneReport> {
  const { options, emit } = prepared;
  const store = await (options.resume === true ? openStore : createOrOpenStore)(options.store);
  const remote = await clientCredentials(options, options.workers);
  const local = options.workers.length > 0 ? undefined : await startLocal(options, dependencies);
  const addresses = local === undefined ? options.workers : local.addresses;
  const pool = createWorkerPool(
    addresses.map((address) => connectWorker(address, local === undefined ? remote : undefined)),
    {
      inFlight: options.inFlight,
      waitMs: local === undefined ? undefined : LOCAL_WAIT_MS,
      onRetry: ({ ids, ...retry }) => {
        emit({ event: 'retry', ...ids, ...retry });
      },
    },
  );
  const { pluginTimeout } = options;
  const timeoutMs = pluginTimeout === undefined ? PLUGIN_TIMEOUT_MS : 1000 * pluginTimeout;
  const watchdog = startWatchdog(timeoutMs);
  const meter = createOperatorMeter(operatorUnits(options.pipeline, prepared.readers));
  const guard = { timeoutMs, watch: watchPlugins(meter, watchdog.watch) };
  try {
    return await thenRelease(options.pipeline.stages, guard, () =>
      pruneOn(pool, store, { ...prepared, guard, meter }),
    );
  } finally {
    pool.close();
    await Promise.allSettled([watchdog.stop(), local?.stop()]);
  }
}

async function startLocal(
  { model, store }: PruneOptions,
  { startWorker, signal }: PruneDependencies,
): Promise<LocalWorkers> {
  return startWorker(await Promise.all([resolveLocation(model), resolveLocation(store)]), signal);
}

/** Which figures of linears are taken; none where nobody wants any. */
function figureOptions(options: PruneOptions): RunContext['figures'] {
  const scores = options.figures === true;
  const compares = comparesOutputs(options.pipeline, options);
  if (!scores && !compares) return undefined;
  return {
    scores,
    outputs: compares ? { sample: sampledRows, kernels: openInferenceKernels() } : undefined,
  };
}

interface Session {
  readonly options: PruneOptions;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: RunEvent) => void;
  readonly preparation: Preparation;
  readonly readers: ReadonlySet<StatisticReader>;
  readonly stopwatch: Stopwatch;
  readonly started: number;
  readonly span: OpenSpan;
  /** Of calls of plug-ins. */
  readonly guard: GuardOptions;
  readonly meter: OperatorMeter;
  /** What scores, shuffle and stages are computed on; none for the processor. */
  readonly devices: readonly SolverDevice[];
  /** Kept up to date. */
  readonly kept: KeptBlocks;
}

async function pruneOn(pool: WorkerPool, store: Store, session: Session): Promise<PruneReport> {
  const { options, signal, emit, readers, stopwatch, span, guard, meter, devices } = session;
  const { description } = session.preparation;
  const stageBytes = blockStageBytes(options.pipeline, description, options);
  const numerics = await stopwatch.time('open', () =>
    openWorkers(pool, options, session.preparation, stageBytes, emit, signal),
  );
  const preparation = preparationOn(numerics, session.preparation);
  const { shards } = preparation;
  const { metric, shuffle, stages, blockStages } = options.pipeline;
  const combine = options.combine ?? usualCombine(readers, numerics);
  requireGathered(readers, combine, numerics);
  const ids = [numerics, ...(await numericsOf(stages, guard, devices[0])), sumsId(readers, combine)];
  const arithmetic = ids.filter((id) => id !== '').join(' ');
  const attributes = attributesOf(options, preparation, arithmetic);
  const run = attributesFingerprint(attributes);
  if (options.resume === true) await requireExistingRun(store, { run, attributes });
  await requireSpace(store, run, options, preparation, readers);
  span.set({ 'esparse.run': run, 'esparse.blocks': description.blocks });
  emit({
    event: 'started',
    run,
    model: showLocation(options.model),
    family: description.family,
    blocks: description.blocks,
    pipeline: options.pipeline.name,
    pattern: patternInWords(description, preparation.layers, options.pattern),
    shuffle: shuffle.name,
    samples: options.samples,
    seqlen: options.seqlen,
    shards: shards.length,
    workers: pool.workers.map(({ address }) => address),
  });
  emitLaps(session);
  for (const message of preparation.notes) emit({ event: 'note', message });
  await noteOtherRun(store, { run, attributes }, emit);
  const writer = await store.beginRun(run, attributes);
  if (writer.caution !== undefined) emit({ event: 'note', message: writer.caution });
  try {
    const context: RunContext = {
      ...preparation,
      options,
      metric,
      stages,
      blockStages,
      readers,
      needsDense: needsDenseStates(readers, blockStages),
      combine,
      shuffle,
      figures: figureOptions(options),
      guard,
      target: {
        model: await resolveLocation(options.model),
        store: await resolveLocation(options.store),
        run,
        seqlen: options.seqlen,
        numerics,
        modelDigest: preparation.checkpoint.digest,
        branches: branchesOf(preparation.description),
      },
      writer,
      pool,
      stopwatch,
      devices,
      sharing: sharingWith(devices[0], options.workers.length === 0),
      meter,
      emit,
    };
    const endObserving = observe(context);
    let blocksPruned: number;
    try {
      blocksPruned = await pruneBlocks(context, session.kept, signal);
    } finally {
      endObserving();
    }
    // The name that a server gives the model by default.
    const name = nameOfLocation(await resolveLocation(options.model));
    await writer.finish({ blocks: description.blocks, name });
    const report = await reportOf(context, session, blocksPruned);
    emit({ event: 'finished', ...report });
    return report;
  } finally {
    await writer.close();
  }
}

/** The same with the shards that workers take. */
function preparationOn(numerics: string, { deviceShards, ...preparation }: Preparation): Preparation {
  return areOnGpus(numerics) && deviceShards !== undefined
    ? { ...preparation, shards: deviceShards }
    : preparation;
}

/**
 * Commits what lies outside the blocks, then block after block, from where an earlier attempt ended.
 *
 * @returns how many blocks it pruned
 */
async function pruneBlocks(context: RunContext, kept: KeptBlocks, signal?: AbortSignal): Promise<number> {
  const { description, stopwatch, writer, emit } = context;
  await stopwatch.time('commit', () => writeBeside(context, signal));
  if (!(await writer.run.isDenseCommitted()))
    await stopwatch.time('commit', () => writeOuter(context, signal));
  const first = await firstOpenBlock(context);
  kept.blocks = { committed: first, of: description.blocks };
  if (first > 0)
    emit({ event: 'note', message: resumeMessage(first, description.blocks, await writer.run.finished()) });
  const needsActivations = needsHiddenStates(context.readers, context.blockStages);
  if (needsActivations && first < description.blocks) await bringHiddenStatesTo(context, first, signal);
  emitLaps(context);
  // Beside what follows: to remove gigabytes takes a fifth of a second.
  let removed = Promise.resolve();
  for (let block = first; block < description.blocks; block++) {
    await trace('block', { 'esparse.block': block }, async () => {
      const started = performance.now();
      const advances = needsActivations && block + 1 < description.blocks;
      const { committed, ahead } = await pruneBesideDense(context, block, advances, signal);
      kept.blocks = { committed: block + 1, of: description.blocks };
      const seconds = (performance.now() - started) / 1000;
      emitLaps(context, block);
      emit({ event: 'committed', block, blocks: description.blocks, seconds, bytes: committed.bytes });
      if (advances) await advanceBlock(context, block, signal, ahead);
      emitLaps(context, block);
      await removed;
      removed = removeHiddenBefore(context, block + 1);
      // It is told when it is waited for.
      removed.catch(() => undefined);
    });
  }
  await removed;
  await removeHiddenStates(context);
  return description.blocks - first;
}

/** Emits the phases that are over, as phases of a block where there is one. */
function emitLaps({ stopwatch, emit }: Pick<RunContext, 'stopwatch' | 'emit'>, block?: number): void {
  const dateOf = (time: number) => new Date(performance.timeOrigin + time).toISOString();
  for (const { phase, begun, ended, seconds } of stopwatch.takeLaps()) {
    const when = { begun: dateOf(begun), ended: dateOf(ended), seconds };
    emit({ event: 'phase', ...(block !== undefined && { block }), phase, ...when });
  }
}

function resumeMessage(first: number, blocks: number, finished: boolean): string {
  return finished
    ? `this run is finished already: nothing to do but to name it the one that is served`
    : `going on after block ${first} of ${blocks}`;
}

/** A new run beside an unfinished one may be due to a mistake in an option: the note says which. */
async function noteOtherRun(store: Store, asked: AskedRun, emit: Session['emit']): Promise<void> {
  const other = await nearestUnfinished(store, asked);
  if (other === undefined) return;
  const { summary, differences } = other;
  emit({
    event: 'note',
    message:
      `this is a new run: the unfinished run ${summary.fingerprint} (${summary.blocks} blocks committed) differs in ` +
      differences.join('; '),
  });
}

async function reportOf(
  { pool, description, writer }: RunContext,
  { options, stopwatch, started }: Session,
  blocksPruned: number,
): Promise<PruneReport> {
  const workers = await peaksOf(pool);
  const { bytes, permutationBytes, denseBytes, keptScoreGain } = totalsOf(
    await inspectBlocks(writer.run, description),
  );
  return {
    run: writer.run.fingerprint,
    store: options.store,
    blocks: description.blocks,
    blocksPruned,
    linearBytes: bytes,
    permutationBytes,
    denseLinearBytes: denseBytes,
    keptScoreGain,
    seconds: { ...stopwatch.seconds(), total: (performance.now() - started) / 1000 },
    peakResidentBytes: {
      pruner: peakResidentBytes(),
      workers,
    },
    wireBytes: pool.wireBytes,
  };
}
