import { openCheckpoint } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { describeCheckpoint, transposedTensor, type ModelDescription } from '@esparse/model';
import { contextOf } from './context.ts';
import type { OpenedModel } from './open-model.ts';
import { checkpointArrays } from './weights/checkpoint-arrays.ts';

/** Which checkpoint: see `EngineOptions`. */
export interface CheckpointModelOptions {
  readonly model: string;
  readonly maxContext?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a checkpoint whose files are on this machine, to be mapped. It has no checksums; names, types, shapes and sizes of
 * all tensors are checked.
 *
 * @throws EsparseError 'checkpoint' for one that is not whole; 'unsupported' for a model or types that are not known, or for
 * one whose matrices are transposed;
 * 'usage' for one that is elsewhere
 */
export async function openCheckpointModel(options: CheckpointModelOptions): Promise<OpenedModel> {
  const checkpoint = await openCheckpoint(options.model, options.signal);
  try {
    const { config, directory, fileOf } = checkpoint;
    if (fileOf === undefined) throw elsewhere(directory);
    const description = describeCheckpoint(checkpoint);
    refuseTransposed(description, directory);
    return {
      run: undefined,
      config,
      description,
      maxContext: contextOf(description, options.maxContext),
      arrays: checkpointArrays(checkpoint, fileOf, description),
      verified: Promise.resolve(),
    };
  } finally {
    // Where each tensor is, is known; its file is mapped by its name.
    await checkpoint.close();
  }
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

function elsewhere(directory: string): EsparseError {
  return new EsparseError(
    'usage',
    `${directory} is not on this machine: the files of a checkpoint are mapped, not read`,
    {
      hint: 'copy the checkpoint to a local folder, or prune it into a store: the weights of a store in S3 are copied as they are needed',
    },
  );
}
