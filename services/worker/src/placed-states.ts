import { EsparseError } from '@esparse/errors';
import { areF32, type DeviceStates, type ModelDescription } from '@esparse/model';
import type { ModelTarget, ShardInput } from './compute-inputs.ts';
import type { OpenModel } from './models.ts';

/** Hidden states as a block takes them, and what they are of. */
export interface StatesOfShard {
  readonly values: Uint16Array | DeviceStates;
  readonly shape: readonly number[];
}

/** Where a shard's states are: on the device if they are kept there, or there is room; else as they were read. */
export function placed(
  { opened, description }: OpenModel,
  { seqlen }: ModelTarget,
  { key, read }: ShardInput,
): StatesOfShard | undefined {
  const kept = opened.states?.find(key) ?? (read && opened.states?.place(key, read));
  const shape = kept?.shape ?? read?.shape;
  if (shape === undefined) return undefined;
  const { hidden } = description as ModelDescription;
  if (shape[1] !== seqlen || shape[2] !== hidden)
    throw new EsparseError('store', `hidden states of [${shape.join()}], not [, ${seqlen}, ${hidden}]`);
  if (kept !== undefined) return { values: kept, shape };
  const { data } = read!;
  if (areF32(data)) throw new EsparseError('store', 'hidden states in f32, where bf16 is computed');
  return { values: data, shape };
}
