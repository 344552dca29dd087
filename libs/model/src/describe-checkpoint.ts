import type { Checkpoint } from '@esparse/checkpoint';
import { checkTensors, tensorsOfBlock } from './check-tensors.ts';
import type { ModelDescription } from './description.ts';
import { describeModel } from './family.ts';

/**
 * Describes the model of a checkpoint and checks that every tensor of it is there, in its shape and of a type that
 * can be read. Those that it keeps several in one are known to the checkpoint as tensors of their own from then on.
 *
 * @throws EsparseError as `describeModel` and `checkTensors`; 'unsupported' for a tensor of an unknown type
 */
export function describeCheckpoint(
  checkpoint: Pick<Checkpoint, 'config' | 'tensors' | 'has' | 'info' | 'split'>,
): ModelDescription {
  const description = describeModel(checkpoint.config);
  for (let block = 0; block < description.blocks; block++) {
    for (const fused of description.fusedTensors?.(block) ?? []) checkpoint.split(fused);
  }
  const names = description.outerTensors.map(({ name }) => name);
  for (let block = 0; block < description.blocks; block++) {
    for (const { name } of tensorsOfBlock(description, block)) names.push(name);
  }
  // A tensor of an unknown type is there, but not among those that can be read: `info` tells its type.
  for (const name of names) if (checkpoint.has(name)) checkpoint.info(name);
  checkTensors(description, checkpoint.tensors);
  return description;
}
