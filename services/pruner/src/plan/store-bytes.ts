import { tokenizerFiles, type Checkpoint } from '@esparse/checkpoint';
import type { AnyModel, TensorSpec } from '@esparse/model';
import { spanOf } from '@esparse/kernels';
import {
  EVERYTHING,
  ownArrays,
  packedShapes,
  quantizedShapes,
  SCALE_GROUP,
  survivorShape,
  type ConfiguredPipeline,
  type OwnEncoding,
  type Pattern,
  type RoundingOptions,
} from '@esparse/sparsity';
import type { Layers, PatternedLinear } from '../layers.ts';
import type { PruneOptions } from '../options.ts';
import { DENSE_BITS, isVocabulary } from '../write-dense-matrix.ts';
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

const ELEMENT_BYTES = { uint8: 1, uint16: 2, int32: 4 } as const;

/** What a run will hold. */
export interface StoreBytes {
  /** All of it, once finished: within 1 % for documents, whose numbers have as many digits as they come out with. */
  readonly bytes: number;
  /** Of which arrays: exact. */
  readonly arrays: number;
}

export interface StoreShape {
  readonly checkpoint: { info(name: string): Pick<ReturnType<Checkpoint['info']>, 'dtype'> };
  readonly description: AnyModel;
  readonly layers: Layers;
  /** Readings of statistics that are kept of each tap. */
  readonly readings: number;
  /** How survivors are rounded. @default they are not */
  readonly rounding?: RoundingOptions | undefined;
  /** What survivors are stored in, where that does not come with esparse. @default none */
  readonly encoding?: OwnEncoding | undefined;
  /** What matrices are stored as that are not pruned. @default as they are */
  readonly denseValues?: PruneOptions['denseValues'];
}

/** How a pipeline rounds survivors: as its stage or block stage says that makes integers of them. */
export function roundingOf({
  stages,
  blockStages,
}: Pick<ConfiguredPipeline, 'stages' | 'blockStages'>): RoundingOptions | undefined {
  return [...stages, ...blockStages].find(({ rounding }) => rounding !== undefined)?.rounding;
}

/** Adds up what a finished run holds, array by array. */
export async function storeBytesOf(
  model: string,
  shape: StoreShape,
  signal?: AbortSignal,
): Promise<StoreBytes> {
  const { description, layers, readings } = shape;
  const { outerTensors } = description;
  const vocabulary = outerTensors.filter((tensor) => isVocabulary(tensor, description)).length;
  let arrays = outerArrayBytes(shape);
  let documents =
    RUN_DOCUMENT_BYTES +
    Object.keys(layers.exceptions).length * EXCEPTION_BYTES +
    (outerTensors.length - vocabulary) * ARRAY_DOCUMENT_BYTES +
    vocabulary * matrixDocumentBytes(shape);
  for (let block = 0; block < description.blocks; block++) {
    const [pruned, taps] = [layers.pruned(block), layers.taps(block)];
    arrays += blockArrayBytes(shape, block);
    const count =
      sum(pruned.map((linear) => prunedArrays(linear, shape))) +
      description.blockTensors(block).length +
      readings * taps.length;
    const groups = pruned.length + (readings > 0 ? taps.length : 0) + 1;
    documents += count * ARRAY_DOCUMENT_BYTES + groups * GROUP_DOCUMENT_BYTES;
    documents += denseLinears(shape, block).length * matrixDocumentBytes(shape);
  }
  const tokenizer = sum((await tokenizerFiles(model, signal)).map(({ bytes }) => bytes.byteLength));
  return { bytes: arrays + documents + tokenizer, arrays };
}

/** The arrays outside the blocks. */
export function outerArrayBytes(shape: StoreShape): number {
  const { description } = shape;
  return sum(
    description.outerTensors.map((tensor) =>
      isVocabulary(tensor, description) ? matrixBytes(shape, tensor) : denseBytes(shape, tensor),
    ),
  );
}

/** The arrays of a block: exact, as they are stored. */
export function blockArrayBytes(shape: StoreShape, block: number): number {
  const { layers, readings } = shape;
  return (
    sum(layers.pruned(block).map((linear) => packedBytes(linear, shape.rounding, shape.encoding))) +
    sum(shape.description.blockTensors(block).map((tensor) => denseBytes(shape, tensor))) +
    sum(denseLinears(shape, block).map((tensor) => matrixBytes(shape, tensor))) +
    sum(layers.taps(block).map(({ channels }) => readings * (4 * channels + TRAILER_BYTES)))
  );
}

/** How many arrays a linear has that is pruned. */
function prunedArrays(
  { rows, cols, pattern }: PatternedLinear,
  { rounding, encoding }: Pick<StoreShape, 'rounding' | 'encoding'>,
): number {
  if (encoding !== undefined)
    return Object.keys(ownArrays(encoding, survivorShape(rows, cols, pattern))).length + 1;
  return rounding === undefined ? 3 : 4;
}

/** The documents of a matrix that is not pruned: of one array, or of a group of numbers and scales. */
function matrixDocumentBytes({ denseValues }: StoreShape): number {
  return denseValues === undefined ? ARRAY_DOCUMENT_BYTES : 2 * ARRAY_DOCUMENT_BYTES + GROUP_DOCUMENT_BYTES;
}

/** The linears of a block that are not pruned. */
function denseLinears({ layers }: StoreShape, block: number): TensorSpec[] {
  return layers.dense(block).map(({ weight, rows, cols }) => ({ name: weight(block), shape: [rows, cols] }));
}

/** A linear that is pruned: its values, indices and permutation, and scales where its survivors are rounded. */
export function packedBytes(
  { rows, cols, pattern }: PatternedLinear,
  rounding?: RoundingOptions,
  encoding?: OwnEncoding,
): number {
  if (encoding !== undefined) return ownBytes(encoding, rows, cols, pattern);
  if (rounding !== undefined) {
    return quantizedBytes(rows, cols, pattern, rounding) + 4 * cols + TRAILER_BYTES;
  }
  const { values, indices } = packedShapes(pattern, rows, cols);
  return 2 * product(values) + product(indices) + 4 * cols + 3 * TRAILER_BYTES;
}

/** A linear in an encoding that does not come with esparse, with the order of its inputs. */
function ownBytes(encoding: OwnEncoding, rows: number, cols: number, pattern: Pattern): number {
  const arrays = Object.values(ownArrays(encoding, survivorShape(rows, cols, pattern)));
  const sizes = arrays.map(({ type, shape }) => ELEMENT_BYTES[type] * product(shape) + TRAILER_BYTES);
  return sum(sizes) + 4 * cols + TRAILER_BYTES;
}

/** A tensor that stays as it is. */
function denseBytes({ checkpoint }: StoreShape, { name, shape }: TensorSpec): number {
  return product(shape) * (checkpoint.info(name).dtype === 'F32' ? 4 : 2) + TRAILER_BYTES;
}

/** A matrix that is not pruned, rounded where the run wants that. */
function matrixBytes(shape: StoreShape, tensor: TensorSpec): number {
  if (shape.denseValues === undefined) return denseBytes(shape, tensor);
  const [rows, cols] = tensor.shape as [number, number];
  return quantizedBytes(rows, cols, EVERYTHING, { bits: DENSE_BITS[shape.denseValues] });
}

/** Values, scales and indices of a quantized linear. */
function quantizedBytes(
  rows: number,
  cols: number,
  pattern: Pattern,
  { bits, group = SCALE_GROUP }: RoundingOptions,
): number {
  const span = spanOf(pattern.keep, group);
  const { values, scales, indices } = quantizedShapes({ rows, cols, pattern, bits, span });
  const indexBytes = indices === undefined ? 0 : product(indices) + TRAILER_BYTES;
  return product(values) + 2 * product(scales) + 2 * TRAILER_BYTES + indexBytes;
}
