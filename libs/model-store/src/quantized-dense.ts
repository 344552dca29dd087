import { setImmediate } from 'node:timers/promises';
import { tensorToF32, type Checkpoint } from '@esparse/checkpoint';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { TILE_ROWS } from '@esparse/kernels';
import {
  faultOf,
  packQuantized,
  roundingDamage,
  roundLinear,
  type IntegerWeights,
  type QuantizedLinear,
  type RoundingDamage,
  type RoundingOptions,
} from '@esparse/sparsity';
import type { Transaction } from '@esparse/store';
import { writeLinear } from './linears.ts';

/** A matrix of a checkpoint, and other values of it where they were changed. */
export interface DenseMatrix {
  readonly checkpoint: Pick<Checkpoint, 'info' | 'read'>;
  readonly tensor: string;
  readonly values?: Float32Array | undefined;
}

/**
 * Weights that are rounded at a time, less than a second: an embedding has hundreds of millions, and the writer's lease, workers
 * and who wants to stop the run are heard in between.
 */
const PIECE_WEIGHTS = 2 ** 21;

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
  const damage: RoundingDamage[] = [];
  const packed: QuantizedLinear[] = [];
  for await (const piece of roundedPieces(matrix, options, signal)) {
    const { first, rows, cols, rounded } = piece;
    damage.push(piece.damage);
    const weights = values?.subarray(first * cols, (first + rows) * cols);
    const integers =
      weights === undefined ? rounded : roundTensor(matrix.tensor, { weights, rows, cols, first }, options);
    packed.push(await packQuantized(integers, { rows, cols }));
  }
  const fault = faultOf(damage);
  if (fault !== undefined)
    return `${matrix.tensor}: rounding to int${options.bits} ${fault}: it stays as it is`;
  await writeLinear(transaction, path, joined(packed), {});
  return undefined;
}

/** Whether integers fit a matrix of the checkpoint: `writeQuantizedDense` writes it then. */
export async function integersFit(
  matrix: Omit<DenseMatrix, 'values'>,
  options: RoundingOptions,
  signal?: AbortSignal,
): Promise<boolean> {
  const damage: RoundingDamage[] = [];
  for await (const piece of roundedPieces(matrix, options, signal)) damage.push(piece.damage);
  return faultOf(damage) === undefined;
}

/** Some rows of a matrix, whole tiles but for the last: what rounding makes of them, and does to them. */
interface RoundedPiece {
  readonly first: number;
  readonly rows: number;
  readonly cols: number;
  readonly rounded: IntegerWeights;
  readonly damage: RoundingDamage;
}

async function* roundedPieces(
  { checkpoint, tensor }: Omit<DenseMatrix, 'values'>,
  options: RoundingOptions,
  signal?: AbortSignal,
): AsyncGenerator<RoundedPiece> {
  const { dtype, shape } = checkpoint.info(tensor);
  const [all, cols] = [shape[0]!, shape[1]!];
  const bytes = await checkpoint.read(tensor, signal);
  const rowBytes = bytes.byteLength / all;
  const most = TILE_ROWS * Math.max(1, Math.floor(PIECE_WEIGHTS / (TILE_ROWS * cols)));
  for (let first = 0; first < all; first += most) {
    const rows = Math.min(most, all - first);
    const weights = await tensorToF32(dtype, bytes.subarray(first * rowBytes, (first + rows) * rowBytes));
    const rounded = roundTensor(tensor, { weights, rows, cols, first }, options);
    yield { first, rows, cols, rounded, damage: roundingDamage(rounded, { weights, rows, cols }) };
    await setImmediate();
    signal?.throwIfAborted();
  }
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

/** Pieces of a matrix as one: tiles follow each other. */
function joined(pieces: readonly QuantizedLinear[]): QuantizedLinear {
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  const values = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.values.length, 0));
  const scales = new Uint16Array(pieces.reduce((sum, piece) => sum + piece.scales.length, 0));
  let [value, scale] = [0, 0];
  for (const piece of pieces) {
    values.set(piece.values, value);
    scales.set(piece.scales, scale);
    value += piece.values.length;
    scale += piece.scales.length;
  }
  return { ...pieces[0]!, rows, values, scales };
}
