import { tensorToF32, tensorToHalf, type Checkpoint, type TensorDtype } from '@esparse/checkpoint';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { narrow, widen } from '@esparse/kernels';
import { packQuantized, roundingFault, roundLinear, type RoundingOptions } from '@esparse/sparsity';
import type { CommittedGroup, Transaction } from '@esparse/store';
import { linearAttributesOf, readLinearF32, writeLinear } from './linears.ts';

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

/** A matrix of a checkpoint, and other values of it where they were changed. */
export interface DenseMatrix {
  readonly checkpoint: Pick<Checkpoint, 'info' | 'read'>;
  readonly tensor: string;
  readonly values?: Float32Array | undefined;
}

/**
 * Writes a matrix as integers with scales: a group in the place of the array. Nothing is written where integers do not fit
 * its weights as the checkpoint has them: what was learnt since, as integers, is stored as these.
 *
 * @returns why it is not written; undefined where it is
 */
export async function writeQuantizedDense(
  transaction: Transaction,
  path: string,
  { values, ...matrix }: DenseMatrix,
  options: RoundingOptions,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { rows, cols, rounded, fault } = await roundedMatrix(matrix, options, signal);
  if (fault !== undefined)
    return `${matrix.tensor}: rounding to int${options.bits} ${fault}: it stays as it is`;
  const integers =
    values === undefined ? rounded : roundTensor(matrix.tensor, { weights: values, rows, cols }, options);
  await writeLinear(transaction, path, await packQuantized(integers, { rows, cols }), {});
  return undefined;
}

/** Whether integers fit a matrix of the checkpoint: `writeQuantizedDense` writes it then. */
export async function integersFit(
  matrix: Omit<DenseMatrix, 'values'>,
  options: RoundingOptions,
  signal?: AbortSignal,
): Promise<boolean> {
  return (await roundedMatrix(matrix, options, signal)).fault === undefined;
}

/** What rounding makes of a matrix of the checkpoint, and why that does not fit it. */
async function roundedMatrix(
  { checkpoint, tensor }: Omit<DenseMatrix, 'values'>,
  options: RoundingOptions,
  signal?: AbortSignal,
) {
  const { dtype, shape } = checkpoint.info(tensor);
  const [rows, cols] = [shape[0]!, shape[1]!];
  const weights = await tensorToF32(dtype, await checkpoint.read(tensor, signal));
  const rounded = roundTensor(tensor, { weights, rows, cols }, options);
  return { rows, cols, rounded, fault: roundingFault(rounded, { weights, rows, cols }) };
}

/** `roundLinear` of a tensor, which its error names. */
function roundTensor(tensor: string, of: Parameters<typeof roundLinear>[0], options: RoundingOptions) {
  try {
    return roundLinear(of, options);
  } catch (cause) {
    const { kind, message, hint } = toEsparseError(cause);
    throw new EsparseError(kind, `${tensor}: ${message}`, { hint, cause });
  }
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
