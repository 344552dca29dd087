import { stat } from 'node:fs/promises';
import { openCheckpoint } from '@esparse/checkpoint';
import { statisticsOf } from '@esparse/dataflow';
import { EsparseError, messageOf } from '@esparse/errors';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import { type ConfiguredPipeline, type Plugin } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';
import { patternInWords, prunedLinears, resolveLayers, type Layers } from '../layers.ts';
import { requireOneEncoding } from '../require-one-encoding.ts';
import { requireTakenBlocks } from '../require-taken-blocks.ts';
import { shardsOf } from '../shards.ts';
import { deviceBytes, linearsAtOnce, solverCount, usesDevice } from '../solver-device.ts';
import { checkedReaders, usualCombine } from '../statistics.ts';
import { blockShape } from './block-shape.ts';
import { pluginCosts } from './costs.ts';
import { measureRates, type Rates } from './measure.ts';
import { heldOf, prunerMemory, workerMemory } from './memory.ts';
import { patternGroups } from './pattern-groups.ts';
import type { PlannedStep, PlanOptions, RunPlan } from './run-plan.ts';
import { secondsOf } from './seconds.ts';
import { roundingOf, storeBytesOf, type StoreBytes } from './store-bytes.ts';
import { hiddenBytes, readBytes, wireBytes, writtenBytes } from './traffic.ts';
import { isOnGpu, workloadOf } from './workload.ts';

/**
 * Computes what a run will take, without running it: of the weights it reads headers, the samples by which a checkpoint is
 * known, and one piece to see how fast they can be read.
 *
 * @throws EsparseError as `prune` for a model that cannot be pruned
 */
export async function planRun(options: PlanOptions, signal?: AbortSignal): Promise<RunPlan> {
  const checkpoint = await openCheckpoint(options.model, signal);
  try {
    const { pipeline, pattern, threads } = options;
    const description = describeCheckpoint(checkpoint);
    requireOneEncoding(options);
    requireTakenBlocks(pipeline, description);
    const layers = resolveLayers(description, options);
    const readers = checkedReaders(pipeline, options, isOnGpu(options));
    const tensor = description.linears[0]!.weight(0);
    const { shuffle } = pipeline;
    const rates = await measureRates({ checkpoint, tensor, pattern, shuffle, threads, signal });
    const shape = {
      ...{ checkpoint, description, layers, readings: keptReadings(pipeline) },
      rounding: roundingOf(pipeline),
      encoding: options.encoding?.encoding,
      denseValues: options.denseValues,
    };
    const store = await storeBytesOf(options.model, shape, signal);
    const weightBytes = checkpoint.info(tensor).dtype === 'F32' ? 4 : 2;
    const textBytes = await sizeOf(options.calibration);
    const gpuBytes = await gpuBytesOf(options, { description, layers, readers });
    const solvers = await solverCount(options.solver, [pipeline.shuffle, ...pipeline.stages]);
    return composePlan({
      ...{ options, description, layers, readers, store, weightBytes, textBytes, rates, gpuBytes, solvers },
    });
  } finally {
    await checkpoint.close();
  }
}

/** What an NVIDIA GPU must have, where one is used. */
async function gpuBytesOf(
  options: PlanOptions,
  { description, layers, readers }: Pick<PlanFacts, 'description' | 'layers' | 'readers'>,
): Promise<number | undefined> {
  const { samples, seqlen, pipeline, solver = 'cpu' } = options;
  const solving = solver === 'cpu' ? [] : [pipeline.shuffle, ...pipeline.stages].filter(usesDevice);
  if (!isOnGpu(options) && solving.length === 0) return undefined;
  const { CONTEXT_BYTES, gpuMemory } = await import('@esparse/cuda');
  let bytes = 0;
  if (isOnGpu(options)) {
    const [largest] = shardsOf(new Uint32Array(samples * seqlen), seqlen, description.hidden, true);
    const statistics = combineOf(options, readers) === 'worker' ? statisticsOf(readers) : [];
    bytes += await gpuMemory(description, { seqlen, sequences: largest!.sequences, statistics });
  }
  if (solving.length === 0) return bytes;
  // The pruner solves on the same GPU, from a process of its own, while the worker waits with what it has.
  // Two linears at a time are for GPUs that have room for sixteen.
  return bytes + CONTEXT_BYTES + deviceBytes(solving, prunedLinears(layers, description.blocks));
}

/** Where the run would fold activations into statistics. */
function combineOf(options: PlanOptions, readers: ReadonlySet<StatisticReader>): 'pruner' | 'worker' {
  return options.combine ?? usualCombine(readers, isOnGpu(options) ? CUDA : '');
}

/** What the numerics ids of workers on NVIDIA GPUs begin with. */
const CUDA = 'cuda/';

/** Bytes of the text, where one is named. @throws EsparseError 'text' where it cannot be read */
async function sizeOf(file: string | undefined): Promise<number> {
  if (file === undefined) return 0;
  try {
    return (await stat(file)).size;
  } catch (error) {
    throw new EsparseError('text', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Everything that a plan follows from. */
export interface PlanFacts {
  readonly options: PlanOptions;
  readonly description: ModelDescription;
  readonly layers: Layers;
  readonly readers: ReadonlySet<StatisticReader>;
  readonly store: StoreBytes;
  /** Bytes of a weight in the checkpoint. */
  readonly weightBytes: number;
  /** Bytes of the calibration text. @default 0 */
  readonly textBytes?: number | undefined;
  readonly rates: Rates;
  /** What an NVIDIA GPU must have. @default none is used */
  readonly gpuBytes?: number | undefined;
  /** Devices that linears are worked on. @default none, the processor does that */
  readonly solvers?: number;
}

/** Computes a plan: the same facts always give the same one. */
export function composePlan({
  options,
  description,
  layers,
  readers,
  store,
  weightBytes,
  textBytes,
  rates,
  gpuBytes,
  solvers = 0,
}: PlanFacts): RunPlan {
  const { pipeline } = options;
  const statistics = statisticsOf(readers);
  const costs = pluginCosts(pipeline, readers);
  const { blockStages } = pipeline;
  const combine = combineOf(options, readers);
  const given = { ...options, combine };
  const workload = workloadOf({ options: given, description, layers, statistics, blockStages, weightBytes });
  return {
    model: options.model,
    family: description.family,
    blocks: description.blocks,
    pattern: patternInWords(description, layers, options.pattern),
    patterns: patternGroups(description, layers),
    pipeline: pipeline.name,
    options: pipeline.options,
    steps: stepsOf(pipeline),
    statistics: statistics.map(({ name }) => name),
    uncounted: costs.uncounted,
    tokens: workload.tokens,
    shards: workload.shards.length,
    workers: workload.workers,
    combine,
    read: readBytes(workload, store),
    wire: wireBytes(workload, statistics, isOnGpu(options)),
    store: { ...store, hidden: hiddenBytes(workload) },
    written: writtenBytes(workload, store),
    memory: {
      pruner: prunerMemory(workload, costs, textBytes, linearsAtOnce(solvers)),
      worker: workerMemory(workload, costs),
      ...(gpuBytes !== undefined && { gpu: gpuBytes }),
    },
    spilled: workload.calibrates ? heldOf(workload, costs).file : 0,
    spilledByWorker: costs.blockStages(blockShape(workload)).file,
    seconds: secondsOf(workload, store, costs, rates),
    measured: rates,
  };
}

function stepsOf({ metric, shuffle, stages, blockStages }: ConfiguredPipeline): PlannedStep[] {
  return [
    { kind: 'metric', ...identityOf(metric) },
    { kind: 'shuffle', ...identityOf(shuffle) },
    ...stages.map((stage) => ({ kind: 'stage' as const, ...identityOf(stage) })),
    ...blockStages.map((stage) => ({ kind: 'block stage' as const, ...identityOf(stage) })),
  ];
}

function identityOf({ name, version = 1, options = {} }: Plugin): Omit<PlannedStep, 'kind'> {
  return { name, version, options };
}

/** How many readings the store keeps of each tap: those that are numbers of channels, of each name one. */
export function keptReadings({ metric, stages }: Pick<ConfiguredPipeline, 'metric' | 'stages'>): number {
  const named = [metric, ...stages].flatMap(({ statistics }) => Object.entries(statistics));
  return new Set(named.filter(([, { perChannel }]) => perChannel === true).map(([name]) => name)).size;
}
