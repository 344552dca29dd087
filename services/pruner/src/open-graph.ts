import {
  decodeModel,
  graphValues,
  openCheckpoint,
  openSamples,
  readGraphFile,
  viewOf,
  type Checkpoint,
  type Samples,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { describePrunableCheckpoint, isGraph, type GraphDescription } from '@esparse/model';
import { findBranches } from '@esparse/onnx';

/** A graph, open, and the data that it is calibrated on. */
export interface OpenGraph {
  readonly checkpoint: Checkpoint;
  readonly description: GraphDescription;
  /** Absent where none are named. */
  readonly samples: Samples | undefined;
}

export interface OpenGraphOptions {
  readonly model: string;
  readonly calibration?: string | undefined;
  /** Samples at most. */
  readonly samples: number;
  readonly threads?: number | undefined;
}

/**
 * Opens a graph: which branches its nodes If take, the data decide.
 * @throws EsparseError 'checkpoint', 'unsupported', 'text' or 'numeric' for a graph or data that cannot be used
 */
export async function openGraph(
  { model, calibration, samples: most, threads }: OpenGraphOptions,
  signal?: AbortSignal,
): Promise<OpenGraph> {
  const file = await readGraphFile(model, signal);
  const { inputs, outputs } = graphValues(viewOf(decodeModel(file, model).graph, {}, model));
  const beside = ['labels', ...outputs.map(({ name }) => name)];
  const samples =
    calibration === undefined ? undefined : await openSamples(calibration, { inputs, beside, signal });
  const branches =
    samples &&
    (await findBranches(file, {
      ...{ location: model, sample: samples.sample, threads, signal },
      count: Math.min(most, samples.count),
    }));
  const checkpoint = await openCheckpoint(model, signal, branches);
  try {
    const description = describePrunableCheckpoint(checkpoint);
    if (!isGraph(description)) throw new EsparseError('internal', `${model} is described as no graph`);
    return { checkpoint, description, samples };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}
