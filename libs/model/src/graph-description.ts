import type { Branches, Checkpoint, GraphParts } from '@esparse/checkpoint';
import { EsparseError, faultInWords } from '@esparse/errors';
import { checkTensors } from './check-tensors.ts';
import { describeCheckpoint } from './describe-checkpoint.ts';
import type { LinearSpec, ModelDescription, PrunableModel, TapSpec } from './description.ts';
import { describeModel } from './family.ts';
import { GRAPH_TYPE, graphConfig } from './graph-config.ts';

/** A graph of ONNX whose matrices are pruned: each of its steps is a block. */
export interface GraphDescription extends PrunableModel {
  readonly graph: GraphParts;
}

/** Whatever can be pruned. */
export type AnyModel = ModelDescription | GraphDescription;

/** Whether a model is a graph of ONNX, and no language model. */
export function isGraph(model: PrunableModel): model is GraphDescription {
  return 'graph' in model;
}

/** Of a graph, the nodes If that are looked into. */
export function branchesOf(model: AnyModel): Branches | undefined {
  return isGraph(model) ? model.graph.branches : undefined;
}

/**
 * Describes what the config.json of a checkpoint, or of a run, says can be pruned.
 * @throws EsparseError as `describeModel`; 'store' where that of a graph is not what this version writes
 */
export function describePrunable(config: Readonly<Record<string, unknown>>): AnyModel {
  return config.model_type === GRAPH_TYPE ? describeGraphOf(config) : describeModel(config);
}

/** The same of a checkpoint, whose tensors must be those. @throws EsparseError as `describeCheckpoint` */
export function describePrunableCheckpoint(checkpoint: Parameters<typeof describeCheckpoint>[0]): AnyModel {
  if (checkpoint.config.model_type !== GRAPH_TYPE) return describeCheckpoint(checkpoint);
  const description = describeGraphOf(checkpoint.config);
  checkTensors(description, checkpoint.tensors);
  return description;
}

/** The graph of a checkpoint without its matrices, as a file. @throws EsparseError 'internal' where it is none */
export async function graphOf(
  checkpoint: Pick<Checkpoint, 'graph' | 'directory'>,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const bytes = await checkpoint.graph(signal);
  if (bytes === undefined) throw new EsparseError('internal', `${checkpoint.directory} is no graph`);
  return bytes;
}

function describeGraphOf(config: Readonly<Record<string, unknown>>): GraphDescription {
  const parsed = graphConfig.safeParse(config, { error: faultInWords });
  const graph = parsed.data;
  const isSound =
    graph !== undefined &&
    graph.linears.every(({ tap, step }) => graph.taps.some((one) => one.name === tap && one.step === step)) &&
    graph.taps.every(({ step }) => step < graph.steps.length);
  if (!isSound) {
    throw new EsparseError('store', 'what the graph is made of cannot be read', {
      hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
      cause: parsed.error,
    });
  }
  const parts = graph as GraphParts;
  return {
    family: GRAPH_TYPE,
    blocks: parts.steps.length,
    taps: parts.taps.map(({ name, channels, step }): TapSpec => ({
      ...{ name, channels, ownRows: true, kinds: [step] },
    })),
    linears: parts.linears.map(({ name, tap, rows, cols, inner, step }): LinearSpec => ({
      ...{ name, tap, rows, cols, kinds: [step] },
      ...(inner !== undefined && { inner }),
      weight: () => name,
    })),
    blockTensors: () => [],
    outerTensors: [],
    // No two steps are of one kind.
    program: { kindOf: (block) => block },
    half: 'f16',
    graph: parts,
  };
}
