import type { Checkpoint } from '@esparse/checkpoint';
import { checkTensors, refuseOthers, tensorsOfBlock } from './check-tensors.ts';
import type { ModelDescription } from './description.ts';
import { describeModel } from './family.ts';

/**
 * Describes the model of a checkpoint and checks that every tensor of it is there, in its shape and of a type that
 * can be read, and no other. Those that it keeps several in one, transposed or under a shorter name are known to the
 * checkpoint as the model names them from then on.
 *
 * @throws EsparseError as `describeModel`, `checkTensors` and `refuseOthers`; 'unsupported' for a tensor of an unknown type
 */
export function describeCheckpoint(
  checkpoint: Pick<Checkpoint, 'config' | 'tensors' | 'names' | 'has' | 'info' | 'split' | 'alias'>,
): ModelDescription {
  const description = describeModel(checkpoint.config);
  const blocks = Array.from({ length: description.blocks }, (_, block) => block);
  const fused = blocks.flatMap((block) => description.fusedTensors?.(block) ?? []);
  const names = [
    ...description.outerTensors.map(({ name }) => name),
    ...blocks.flatMap((block) => tensorsOfBlock(description, block).map(({ name }) => name)),
  ];
  const known = new Set([...names, ...fused.map(({ name }) => name)]);
  for (const { name, stored } of shortNames(description, known)) {
    if (!checkpoint.has(stored)) continue;
    if (!checkpoint.has(name)) checkpoint.alias(name, stored);
    known.add(stored);
  }
  for (const one of fused) for (const name of checkpoint.split(one)) known.add(name);
  // A tensor of an unknown type is there, but not among those that can be read: `info` tells its type.
  for (const name of names) if (checkpoint.has(name)) checkpoint.info(name);
  checkTensors(description, checkpoint.tensors);
  refuseOthers(description, known, checkpoint.names);
  return description;
}

/** What a checkpoint of the model without its head calls the tensors. */
function shortNames(
  { basePrefix }: ModelDescription,
  names: ReadonlySet<string>,
): { readonly name: string; readonly stored: string }[] {
  if (basePrefix === undefined) return [];
  return [...names]
    .filter((name) => name.startsWith(basePrefix))
    .map((name) => ({ name, stored: name.slice(basePrefix.length) }));
}
