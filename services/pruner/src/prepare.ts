import {
  CALIBRATION_ALGORITHM,
  calibrationWindows,
  decodeModel,
  isGraphFile,
  openCheckpoint,
  openTokenizer,
  reachesOf,
  readText,
  viewOf,
  type Checkpoint,
} from '@esparse/checkpoint';
import { describeCheckpoint, graphOf, type AnyModel, type GraphDescription } from '@esparse/model';
import { EsparseError } from '@esparse/errors';
import { boundaryOf } from '@esparse/onnx';
import type { RunAttributes } from '@esparse/model-store';
import type { ConfiguredPipeline, InputSpan, Plugin } from '@esparse/sparsity';
import { fingerprintOf, tokensDigest } from './fingerprint.ts';
import { graphNotes } from './graph-notes.ts';
import { requireForGraphs, requirePruned } from './graph-options.ts';
import { resolveLayers, type Layers } from './layers.ts';
import { openGraph } from './open-graph.ts';
import type { PruneOptions } from './options.ts';
import { requireOneEncoding } from './require-one-encoding.ts';
import { requireTakenBlocks } from './require-taken-blocks.ts';
import { sampleShards, shardsOf, type Shard } from './shards.ts';
import { MIN_EXPERT_TOKENS } from './starved-experts.ts';
import { valuesNotes } from './values-notes.ts';
import { comparesOutputs } from './statistics.ts';
import { tunesDense } from './tuned-dense.ts';

/** Everything that is known before the first block: the model, what to calibrate on, what stays dense. */
export interface Preparation {
  /** As they were asked for; of a graph with what the data say of calibration. */
  readonly options: PruneOptions;
  readonly checkpoint: Checkpoint;
  readonly description: AnyModel;
  /** What people should know of the model. */
  readonly notes: readonly string[];
  readonly shards: readonly Shard[];
  /** The same where workers run them whole. @default `shards` */
  readonly deviceShards?: readonly Shard[];
  /** What each linear of each block is pruned to; the others are committed dense. */
  readonly layers: Layers;
  /** Of a graph, by linear: which inputs may change places so that an export can fold their order. */
  readonly reaches?: ReadonlyMap<string, readonly InputSpan[]>;
  /** Digest of the calibration tokens, or samples. */
  readonly tokens: string;
}

/**
 * Opens and checks all input of a run, before anything is written or started: a model that cannot be pruned is
 * refused here.
 */
export async function prepare(options: PruneOptions, signal?: AbortSignal): Promise<Preparation> {
  requireOneEncoding(options);
  if (isGraphFile(options.model)) return prepareGraph(options, signal);
  const checkpoint = await openCheckpoint(options.model, signal);
  try {
    const description = describeCheckpoint(checkpoint);
    requireTakenBlocks(options.pipeline, description);
    const layers = resolveLayers(description, options);
    const windows = calibrationWindows(await calibrationTokens(options, signal), options);
    return {
      ...{ options, checkpoint, description, notes: valuesNotes(options, description, layers) },
      shards: shardsOf(windows, options.seqlen, description.hidden),
      deviceShards: shardsOf(windows, options.seqlen, description.hidden, true),
      layers,
      tokens: tokensDigest(windows),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** A graph has samples where a language model has sequences of tokens: each is a sequence of one. */
async function prepareGraph(asked: PruneOptions, signal?: AbortSignal): Promise<Preparation> {
  requireForGraphs(asked);
  const { checkpoint, description, samples: data } = await openGraph(asked, signal);
  try {
    if (data === undefined) throw new EsparseError('internal', 'a run was asked for without data');
    const samples = Math.min(asked.samples, data.count);
    const options: PruneOptions = {
      ...{ ...asked, samples, seqlen: 1, seed: 0, bos: false },
      // The first convolution of nearly every graph has three channels, or one.
      skipIndivisible: true,
    };
    const layers = resolveLayers(description, options);
    requirePruned(description, layers, options);
    const file = await graphOf(checkpoint, signal);
    const first = boundaryOf(description, file, 0);
    return {
      ...{ options, checkpoint, description, layers },
      reaches: reachesIn(description, file, layers),
      notes: [
        ...(samples < data.count
          ? [`the first ${samples} of ${data.count} samples are used: see --samples`]
          : []),
        ...graphNotes(description, layers),
      ],
      shards: sampleShards(data, samples, first),
      tokens: data.digest(samples),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** Which inputs of the linears of a graph can be put in another order by an export. */
function reachesIn(
  { graph }: GraphDescription,
  file: Uint8Array,
  layers: Layers,
): ReadonlyMap<string, readonly InputSpan[]> {
  const pruned = graph.steps.flatMap((_, step) => layers.pruned(step).map(({ name }) => name));
  const view = viewOf(decodeModel(file, 'the graph').graph, graph.branches, 'the graph');
  return reachesOf(graph, view, new Set(pruned));
}

/** The calibration text, tokenized. */
async function calibrationTokens(
  { model, calibration, bos }: PruneOptions,
  signal?: AbortSignal,
): Promise<Uint32Array> {
  const tokenizer = await openTokenizer(model, signal);
  try {
    return await tokenizer.encode(await readText(calibration, signal), { bos, signal });
  } finally {
    tokenizer.close();
  }
}

/** A run's name, from what it is made of: everything that its bytes depend on. */
export function attributesFingerprint({ model, tokens, numerics, options }: RunAttributes): string {
  const { layers, ...always } = options;
  const made = { model, tokens, windows: CALIBRATION_ALGORITHM, numerics, ...always };
  return fingerprintOf(layers === undefined ? made : { ...made, layers });
}

/** What a run is made of, as the store keeps it. */
export function attributesOf(
  options: PruneOptions,
  { checkpoint, description, layers, tokens }: Preparation,
  numerics: string,
): RunAttributes {
  return {
    config: checkpoint.config,
    family: description.family,
    blocks: description.blocks,
    model: checkpoint.digest,
    tokens,
    numerics,
    options: runOptions(options, description, layers),
  };
}

/** The options of a run as the store keeps them: those that change its bytes. */
function runOptions(options: PruneOptions, description: AnyModel, layers: Layers): RunAttributes['options'] {
  const {
    family,
    encoding,
    pattern,
    samples,
    seqlen,
    seed,
    bos,
    skipIndivisible,
    denseValues,
    expertTokens = MIN_EXPERT_TOKENS,
    figures,
    figureTokens,
  } = options;
  const blocks = Array.from({ length: description.blocks }, (_, block) => block);
  const anyDense = blocks.some((block) => tunesDense({ options, layers }, block));
  return {
    pipeline: describePipeline(options.pipeline),
    // A family that was loaded but describes another kind of model does not change the bytes of this run.
    ...(family?.name === description.family && { family: family.source }),
    ...(encoding && { encoding: { name: encoding.encoding.stored, ...encoding.source } }),
    pattern: { keep: pattern.keep, group: pattern.group },
    ...(Object.keys(layers.exceptions).length > 0 && { layers: layers.exceptions }),
    ...(denseValues !== undefined && { denseValues }),
    // Without block stages they are rounded alone, as they were before block stages took them.
    ...(options.pipeline.blockStages.length > 0 && anyDense && { denseTuned: true as const }),
    calibration: { samples, seqlen, seed, bos },
    // A model without experts has the same bytes whatever is asked of them.
    ...(description.linears.some(({ expert }) => expert !== undefined) && { expertTokens }),
    skipIndivisible,
    ...(comparesOutputs(options.pipeline, options) && { outputError: true as const }),
    ...(figures === true && { figures }),
    ...(figures === true && figureTokens === true && { figureTokens }),
  };
}

/** A pipeline as the store keeps it: the code by names, versions and digest, the options as they are. */
function describePipeline(pipeline: ConfiguredPipeline): RunAttributes['options']['pipeline'] {
  const { name, version, options, metric, shuffle, stages, blockStages, source } = pipeline;
  const part = (plugin: Plugin) => ({ name: plugin.name, version: plugin.version ?? 1 });
  return {
    name,
    version,
    options: { ...options },
    parts: {
      metric: part(metric),
      shuffle: part(shuffle),
      stages: stages.map(part),
      // Runs without any keep the name that they had before there were block stages.
      ...(blockStages.length > 0 && { blockStages: blockStages.map(part) }),
    },
    ...(source === undefined ? {} : { source }),
  };
}
