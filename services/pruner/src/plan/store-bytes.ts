import { tokenizerFiles, type Checkpoint } from '@esparse/checkpoint';
import type { ModelDescription, TensorSpec } from '@esparse/model';
import { packedShapes } from '@esparse/sparsity';
import type { Layers, PatternedLinear } from '../layers.ts';
import { product, sum } from './sum.ts';

/** The checksum behind every array. */
const TRAILER_BYTES = 4;
/** An array's metadata, and the two lines of it and its chunk in the manifest: 790 to 850 bytes by the length of names. */
const ARRAY_DOCUMENT_BYTES = 820;
/** The same of a group: those of linears have attributes. */
const GROUP_DOCUMENT_BYTES = 310;
/** A run's own document with the model's config, and those that hold its parts together. */
const RUN_DOCUMENT_BYTES = 2500;
/** What the run's document says of a linear whose pattern is not that of the run. */
const EXCEPTION_BYTES = 50;

/** What a run will hold. */
export interface StoreBytes {
  /** All of it, once finished: within 1 % for documents, whose numbers have as many digits as they come out with. */
  readonly bytes: number;
  /** Of which arrays: exact. */
  readonly arrays: number;
}

export interface StoreShape {
  readonly checkpoint: { info(name: string): Pick<ReturnType<Checkpoint['info']>, 'dtype'> };
  readonly description: ModelDescription;
  readonly layers: Layers;
  /** Readings of statistics that are kept of each tap. */
  readonly readings: number;
}

/** Adds up what a finished run holds, array by array. */
export async function storeBytesOf(
  model: string,
  shape: StoreShape,
  signal?: AbortSignal,
): Promise<StoreBytes> {
  const { description, layers, readings } = shape;
  const { outerTensors } = description;
  let arrays = outerArrayBytes(shape);
  let documents =
    RUN_DOCUMENT_BYTES +
    Object.keys(layers.exceptions).length * EXCEPTION_BYTES +
    outerTensors.length * ARRAY_DOCUMENT_BYTES;
  for (let block = 0; block < description.blocks; block++) {
    const [pruned, taps] = [layers.pruned(block), layers.taps(block)];
    const dense = denseTensors(shape, block);
    arrays += blockArrayBytes(shape, block);
    const count = 3 * pruned.length + dense.length + readings * taps.length;
    const groups = pruned.length + (readings > 0 ? taps.length : 0) + 1;
    documents += count * ARRAY_DOCUMENT_BYTES + groups * GROUP_DOCUMENT_BYTES;
  }
  const tokenizer = sum((await tokenizerFiles(model, signal)).map(({ bytes }) => bytes.byteLength));
  return { bytes: arrays + documents + tokenizer, arrays };
}

/** The arrays outside the blocks. */
export function outerArrayBytes(shape: StoreShape): number {
  return sum(shape.description.outerTensors.map((tensor) => denseBytes(shape, tensor)));
}

/** The arrays of a block: exact, as they are stored. */
export function blockArrayBytes(shape: StoreShape, block: number): number {
  const { layers, readings } = shape;
  return (
    sum(layers.pruned(block).map(packedBytes)) +
    sum(denseTensors(shape, block).map((tensor) => denseBytes(shape, tensor))) +
    sum(layers.taps(block).map(({ channels }) => readings * (4 * channels + TRAILER_BYTES)))
  );
}

/** What of a block stays as it is. */
function denseTensors({ description, layers }: StoreShape, block: number): TensorSpec[] {
  const dense: TensorSpec[] = [...description.blockTensors(block)];
  for (const { weight, rows, cols } of layers.dense(block))
    dense.push({ name: weight(block), shape: [rows, cols] });
  return dense;
}

/** A packed linear: its values, indices and permutation. */
export function packedBytes({ rows, cols, pattern }: PatternedLinear): number {
  const { values, indices } = packedShapes(pattern, rows, cols);
  return 2 * product(values) + product(indices) + 4 * cols + 3 * TRAILER_BYTES;
}

/** A tensor that stays as it is. */
function denseBytes({ checkpoint }: StoreShape, { name, shape }: TensorSpec): number {
  return product(shape) * (checkpoint.info(name).dtype === 'F32' ? 4 : 2) + TRAILER_BYTES;
}
