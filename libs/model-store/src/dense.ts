import { tensorToF32, tensorToHalf, type Checkpoint, type TensorDtype } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import type { CommittedGroup, Transaction } from '@esparse/store';
import { linearAttributesOf, readLinearF32 } from './linears.ts';

/** Writes a tensor of the checkpoint as it is: 16-bit types as their bits, f32 as f32. */
export async function writeDense(
  transaction: Transaction,
  path: string,
  checkpoint: Checkpoint,
  tensor: string,
  signal?: AbortSignal,
): Promise<void> {
  const { dtype, shape } = checkpoint.info(tensor);
  const bytes = await checkpoint.read(tensor, signal);
  if (dtype === 'F32') {
    const data = await tensorToF32(dtype, bytes);
    await transaction.putArray(path, { data, shape, attributes: { dtype: 'f32', tensor } });
    return;
  }
  const half = tensorToHalf(dtype, bytes);
  await transaction.putArray(path, { data: half.bits, shape, attributes: { dtype: half.dtype, tensor } });
}

/** Writes other values of a tensor of the checkpoint, rounded to the type that `writeDense` would store it in. */
export async function writeChanged(
  transaction: Transaction,
  path: string,
  checkpoint: Pick<Checkpoint, 'info'>,
  tensor: string,
  values: Float32Array,
): Promise<void> {
  const { dtype, shape } = checkpoint.info(tensor);
  const stored = storedDtype(dtype);
  const data = stored === 'f32' ? values : narrow(stored, values);
  await transaction.putArray(path, { data, shape, attributes: { dtype: stored, tensor } });
}

/** The type in which a dense tensor of the checkpoint is stored. */
export function storedDtype(dtype: TensorDtype): 'bf16' | 'f16' | 'f32' {
  return dtype === 'F32' ? 'f32' : dtype === 'F16' ? 'f16' : 'bf16';
}

/** Reads a dense array, or what is quantized in its place, as f32: exact. */
export async function readDenseF32(
  group: CommittedGroup,
  path: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  if (linearAttributesOf(group, path) !== undefined) return readLinearF32(group, path, signal);
  const { data, attributes } = await group.read(path, signal);
  const dtype = attributes.dtype;
  if (data instanceof Float32Array && dtype === 'f32') return data;
  if (data instanceof Uint16Array && (dtype === 'bf16' || dtype === 'f16')) return widen(dtype, data);
  throw new EsparseError('store', `array ${path} has a dtype that this version does not know`, {
    context: { array: path },
  });
}
