import {
  checkpointWeights,
  isGraphFile,
  type Checkpoint,
  type LeftAlone,
  type Samples,
} from '@esparse/checkpoint';
import { graphOf, tapsOf, type GraphDescription } from '@esparse/model';
import { boundaryOf, createGraphRunner, packState } from '@esparse/onnx';
import { formatPattern } from '@esparse/sparsity';
import { requireForGraphs, requirePruned } from '../graph-options.ts';
import { requireOneEncoding } from '../require-one-encoding.ts';
import { resolveLayers, type Layers } from '../layers.ts';
import { openGraph } from '../open-graph.ts';
import { checkedReaders } from '../statistics.ts';
import { keptReadings } from './plan.ts';
import type { PlanOptions } from './run-plan.ts';
import { roundingOf, storeBytesOf } from './store-bytes.ts';

/** A step of a graph. */
export interface PlannedCut {
  /** Nodes of the graph. */
  readonly nodes: number;
  readonly linears: readonly {
    readonly name: string;
    readonly rows: number;
    readonly cols: number;
    /** keep:group, or dense. */
    readonly pattern: string;
  }[];
  /** Bytes of one sample; absent where no data are named. */
  readonly sample?: {
    /** The values before it, which lie in the store between steps. */
    readonly state: number;
    /** The inputs of its linears. */
    readonly taps: number;
  };
}

/** What pruning a graph will take. */
export interface GraphPlan {
  readonly model: string;
  readonly family: 'onnx';
  readonly opset: number;
  readonly pattern: string;
  readonly pipeline: string;
  readonly steps: readonly PlannedCut[];
  /** The step that takes the most, and the bytes of one sample there: state and inputs together; absent where no data are named. */
  readonly largest?: { readonly step: number; readonly bytes: number };
  /** Nodes with weights that stay as they are. */
  readonly left: readonly LeftAlone[];
  /** Bytes of the store once the run is finished, the graph itself among them. */
  readonly store: number;
}

/**
 * Plans a run of a graph, or leaves it to others where the model is none. With data the first sample goes through the dense
 * graph, step by step.
 * @throws EsparseError as `prune` for a model or data that cannot be used
 */
export async function planGraph(options: PlanOptions, signal?: AbortSignal): Promise<GraphPlan | undefined> {
  if (!isGraphFile(options.model)) return undefined;
  requireOneEncoding(options);
  requireForGraphs(options);
  const { checkpoint, description, samples } = await openGraph(options, signal);
  try {
    checkedReaders(options.pipeline, options);
    const layers = resolveLayers(description, { ...options, skipIndivisible: true });
    requirePruned(description, layers, options);
    const { graph } = description;
    const shape = {
      ...{ checkpoint, description, layers, readings: keptReadings(options.pipeline) },
      rounding: roundingOf(options.pipeline),
      encoding: options.encoding?.encoding,
    };
    const file = await graphOf(checkpoint, signal);
    const { bytes } = await storeBytesOf(options.model, shape, signal);
    const sizes = await sizesOf(samples, options, checkpoint, description, signal);
    return {
      ...{ model: options.model, family: 'onnx', opset: graph.opset, pipeline: options.pipeline.name },
      pattern: formatPattern(options.pattern),
      steps: graph.steps.map(({ from, to }, step) => ({
        nodes: to - from,
        linears: linearsIn(layers, step),
        ...(sizes && { sample: sizes[step]! }),
      })),
      ...(sizes && { largest: largestOf(sizes) }),
      left: graph.left,
      store: bytes + file.byteLength,
    };
  } finally {
    await checkpoint.close();
  }
}

function largestOf(sizes: readonly NonNullable<PlannedCut['sample']>[]): NonNullable<GraphPlan['largest']> {
  const all = sizes.map(({ state, taps }) => state + taps);
  const bytes = Math.max(...all);
  return { step: all.indexOf(bytes), bytes };
}

function linearsIn(layers: Layers, step: number): PlannedCut['linears'] {
  return [
    ...layers.pruned(step).map((linear) => ({ ...linear, pattern: formatPattern(linear.pattern) })),
    ...layers.dense(step).map((linear) => ({ ...linear, pattern: 'dense' })),
  ].map(({ name, rows, cols, pattern }) => ({ name, rows, cols, pattern }));
}

/** What each step takes for the first sample. */
async function sizesOf(
  samples: Samples | undefined,
  { threads }: PlanOptions,
  checkpoint: Checkpoint,
  description: GraphDescription,
  signal?: AbortSignal,
): Promise<NonNullable<PlannedCut['sample']>[] | undefined> {
  if (samples === undefined) return undefined;
  const file = await graphOf(checkpoint, signal);
  const runner = await createGraphRunner(description, file, { threads });
  const weights = checkpointWeights(checkpoint);
  const first = samples.sample(0);
  let state = packState(boundaryOf(description, file, 0).map((name) => first.get(name)!));
  const sizes: NonNullable<PlannedCut['sample']>[] = [];
  try {
    for (let step = 0; step < description.blocks; step++) {
      const loaded = await runner.load(step, weights, signal);
      const taps = await loaded.taps(state, { taps: tapsOf(description, step).map(({ name }) => name) });
      sizes.push({
        state: state.byteLength,
        taps: taps.reduce((sum, { data }) => sum + data.byteLength, 0),
      });
      if (step + 1 < description.blocks) state = await loaded.advance(state);
      await loaded.release();
    }
    return sizes;
  } finally {
    await runner.release();
  }
}
