import { EsparseError } from '@esparse/errors';
import { areF32, type DeviceStates, type ModelDescription } from '@esparse/model';
import type { ModelTarget, ShardInput } from './compute-inputs.ts';
import type { OpenModel } from './models.ts';

/** Hidden states as a block takes them, and what they are of. */
export interface StatesOfShard {
  readonly values: Uint16Array | DeviceStates;
  readonly shape: readonly number[];
}

/**
 * Works with a shard's states where they are: on the device if they are kept there, or there is room; else as they were read. They stay
 * there meanwhile: what the work asks of the device may take the room of states that nobody holds.
 *
 * @returns what the work gives; undefined, and nothing was done, where the states are not there
 */
export async function withPlaced<Result>(
  { opened, description }: OpenModel,
  { seqlen }: ModelTarget,
  { key, read }: ShardInput,
  use: (states: StatesOfShard) => Promise<Result>,
): Promise<Result | undefined> {
  const kept = opened.states?.find(key) ?? (read && opened.states?.place(key, read));
  const shape = kept?.shape ?? read?.shape;
  if (shape === undefined) return undefined;
  const { hidden } = description as ModelDescription;
  if (shape[1] !== seqlen || shape[2] !== hidden)
    throw new EsparseError('store', `hidden states of [${shape.join()}], not [, ${seqlen}, ${hidden}]`);
  if (kept === undefined) {
    const { data } = read!;
    if (areF32(data)) throw new EsparseError('store', 'hidden states in f32, where bf16 is computed');
    return use({ values: data, shape });
  }
  const letGo = opened.states!.hold(kept);
  try {
    return await use({ values: kept, shape });
  } finally {
    letGo();
  }
}
