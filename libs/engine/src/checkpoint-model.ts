import { openCheckpoint, type Checkpoint } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { describeCheckpoint, transposedTensor, type ModelDescription } from '@esparse/model';
import { contextOf } from './context.ts';
import type { OpenedModel } from './open-model.ts';
import { cachePlace } from './weights/cache-place.ts';
import { cachedTensors } from './weights/cached-tensors.ts';
import { checkpointArrays } from './weights/checkpoint-arrays.ts';
import type { ModelArrays } from './weights/model-arrays.ts';

/** Which checkpoint: see `EngineOptions`. */
export interface CheckpointModelOptions {
  readonly model: string;
  readonly cacheDirectory?: string | undefined;
  readonly cacheBytes?: number | undefined;
  readonly maxContext?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a checkpoint to be mapped: its own files, or copies of its tensors where it is elsewhere or quantized. It has no
 * checksums; names, types, shapes and sizes of all tensors are checked.
 *
 * @throws EsparseError 'checkpoint' for one that is not whole; 'unsupported' for a model or types that are not known, or for
 * one whose matrices are transposed
 */
export async function openCheckpointModel(options: CheckpointModelOptions): Promise<OpenedModel> {
  const checkpoint = await openCheckpoint(options.model, options.signal);
  try {
    const { config, directory } = checkpoint;
    const description = describeCheckpoint(checkpoint);
    refuseTransposed(description, directory);
    return {
      run: undefined,
      config,
      description,
      maxContext: contextOf(description, options.maxContext),
      arrays: await arraysOf(checkpoint, description, options),
      verified: Promise.resolve(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function arraysOf(
  checkpoint: Checkpoint,
  description: ModelDescription,
  options: CheckpointModelOptions,
): Promise<ModelArrays> {
  const { fileOf } = checkpoint;
  if (fileOf !== undefined) {
    // Where each tensor is, is known; its file is mapped by its name.
    await checkpoint.close();
    return checkpointArrays(checkpoint, description, (tensor) => ({
      file: fileOf(tensor),
      offset: checkpoint.info(tensor).begin,
    }));
  }
  const copies = await cachedTensors(checkpoint, { ...cachePlace(options), signal: options.signal });
  const placeOf = async (tensor: string) => ({ file: await copies.file(tensor), offset: 0 });
  return {
    ...checkpointArrays(checkpoint, description, placeOf),
    async close() {
      await copies.close();
      await checkpoint.close();
    },
  };
}

/** What is mapped must lie as the kernels read it. */
function refuseTransposed(description: ModelDescription, directory: string): void {
  const tensor = transposedTensor(description);
  if (tensor === undefined) return;
  throw new EsparseError(
    'unsupported',
    `${directory}: tensor '${tensor}' is transposed, and the files of a checkpoint are mapped as they are`,
    { hint: 'prune it into a store and use that; eval reads the checkpoint itself, by --engine onnx' },
  );
}
