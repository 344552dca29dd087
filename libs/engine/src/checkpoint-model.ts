import { openCheckpoint, type Checkpoint } from '@esparse/checkpoint';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import { contextOf } from './context.ts';
import type { OpenedModel } from './open-model.ts';
import { cachePlace } from './weights/cache-place.ts';
import { cachedTensors, type TensorFiles } from './weights/cached-tensors.ts';
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
 * Opens a checkpoint to be mapped: its own files, and copies of those tensors that do not lie in them as they are computed with,
 * or of all of them where it is elsewhere. It has no checksums; names, types, shapes and sizes of all tensors are checked.
 *
 * @throws EsparseError 'checkpoint' for one that is not whole; 'unsupported' for a model or types that are not known
 */
export async function openCheckpointModel(options: CheckpointModelOptions): Promise<OpenedModel> {
  const checkpoint = await openCheckpoint(options.model, options.signal);
  try {
    const { config } = checkpoint;
    const description = describeCheckpoint(checkpoint);
    return {
      run: undefined,
      config,
      description,
      maxContext: contextOf(description, options.maxContext),
      arrays: arraysOf(checkpoint, description, options),
      verified: Promise.resolve(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

function arraysOf(
  checkpoint: Checkpoint,
  description: ModelDescription,
  options: CheckpointModelOptions,
): ModelArrays {
  let copies: Promise<TensorFiles> | undefined;
  const placeOf = async (tensor: string) => {
    const file = checkpoint.fileOf(tensor);
    if (file !== undefined) return { file, offset: checkpoint.info(tensor).begin };
    copies ??= cachedTensors(checkpoint, { ...cachePlace(options), signal: options.signal });
    return { file: await (await copies).file(tensor), offset: 0 };
  };
  return {
    ...checkpointArrays(checkpoint, description, placeOf),
    async close() {
      await (await copies)?.close();
      await checkpoint.close();
    },
  };
}
