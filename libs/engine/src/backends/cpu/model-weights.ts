import { EsparseError, isEsparseError } from '@esparse/errors';
import { createLinear, gatherRows, type DenseWeights, type Linear, type RowTable } from '@esparse/kernels';
import { biasSlot, type LinearSpec, type ModelDescription, type TensorSpec } from '@esparse/model';
import { densePath, linearAttributesOf } from '@esparse/model-store';
import { packedShapes } from '@esparse/sparsity';
import type { Run } from '@esparse/store';
import { mapArray, type ArraySource, type GroupPlace } from '../../weights/array-source.ts';

/** The weights of a model, as they lie in the store. */
export interface ModelWeights {
  readonly blocks: readonly BlockWeights[];
  readonly embedding: RowTable;
  readonly positions: LearnedPositions | undefined;
  readonly finalNorm: FinalNorm;
  readonly head: Linear;
  readonly bytes: WeightBytes;
}

/** A vector for each position, where they are learned: position p's is row p + offset. */
export interface LearnedPositions {
  readonly table: RowTable;
  readonly offset: number;
}

/** The norm before the head: a LayerNorm where there is a bias, else an RMSNorm. Vectors are (hidden). */
export interface FinalNorm {
  readonly weight: Float32Array;
  readonly bias?: Float32Array;
  readonly epsilon: number;
}

/** The weights of one block. */
export interface BlockWeights {
  readonly linears: ReadonlyMap<string, Linear>;
  /** What is not a linear's, by slot: norms. */
  readonly vectors: ReadonlyMap<string, Float32Array>;
}

/** Where the bytes of a model are. Every decoding step reads those of the linears and of the head. */
export interface WeightBytes {
  /** All that is mapped. A tied head is the embedding. */
  readonly mapped: number;
  /** The blocks' linears as stored: values and indices, or the matrix of one that is not pruned. */
  readonly linears: number;
  /** The permutations, which the kernels keep in memory of their own. */
  readonly permutations: number;
  /** The same linears as 16-bit matrices. */
  readonly denseLinears: number;
  readonly head: number;
}

/** Blocks whose documents are read at the same time. */
const BLOCKS_AT_ONCE = 4;

/**
 * Maps the weights of a run. Nothing is read but what has to be checked: the sizes of everything, the indices of the
 * linears.
 *
 * @throws EsparseError 'store' naming the block and array that is missing, of another size, or not a choice of N of M
 */
export async function mapWeights(
  run: Run,
  description: ModelDescription,
  source: ArraySource,
): Promise<ModelWeights> {
  const mapper = new Mapper(source);
  const outer = { group: await run.dense(), folder: 'dense' };
  const shapeOf = (name: string) => description.outerTensors.find((tensor) => tensor.name === name)!;
  const matrix = (name: string) => mapper.matrix(outer, name, shapeOf(name));
  const vector = (name: string) => mapper.vector(outer, name, shapeOf(name));
  const { finalNorm, positionEmbedding } = description;
  const embedding = await matrix(description.embedding);
  const headTable = description.tiedHead ? embedding : await matrix(description.head);
  const weight = await vector(finalNorm.weight);
  const positions = positionEmbedding && {
    table: await matrix(positionEmbedding.table),
    offset: positionEmbedding.offset,
  };
  const blocks: BlockWeights[] = [];
  for (let first = 0; first < description.blocks; first += BLOCKS_AT_ONCE) {
    const numbers = Array.from(
      { length: Math.min(BLOCKS_AT_ONCE, description.blocks - first) },
      (_, i) => first + i,
    );
    const groups = await Promise.all(numbers.map((block) => run.block(block)));
    for (const [i, block] of numbers.entries()) {
      blocks.push(await mapper.block({ group: groups[i]!, folder: `blocks/${block}` }, description, block));
    }
  }
  return {
    blocks,
    embedding,
    positions,
    finalNorm: {
      weight,
      epsilon: finalNorm.epsilon,
      ...(finalNorm.kind === 'layerNorm' && { bias: await vector(finalNorm.bias) }),
    },
    head: createLinear(denseOf(headTable, description.vocab)),
    bytes: { ...mapper.bytes, head: headTable.data.byteLength },
  };
}

class Mapper {
  readonly bytes = { mapped: 0, linears: 0, permutations: 0, denseLinears: 0 };
  readonly #source: ArraySource;

  constructor(source: ArraySource) {
    this.#source = source;
  }

  async block(place: GroupPlace, description: ModelDescription, block: number): Promise<BlockWeights> {
    const vectors = new Map<string, Float32Array>();
    for (const { slot, ...tensor } of description.blockTensors(block)) {
      vectors.set(slot, await this.vector(place, densePath(tensor.name), tensor));
    }
    const linears = new Map<string, Linear>();
    for (const linear of description.linears) {
      const bias = vectors.get(biasSlot(linear.name));
      try {
        linears.set(linear.name, await this.#linear(place, linear, block, bias));
      } catch (error) {
        throw named(error, `block ${block}: ${linear.name}`);
      }
    }
    return { linears, vectors };
  }

  async #linear(
    place: GroupPlace,
    linear: LinearSpec,
    block: number,
    bias: Float32Array | undefined,
  ): Promise<Linear> {
    const { name, rows, cols } = linear;
    const attributes = linearAttributesOf(place.group, name);
    this.bytes.denseLinears += rows * cols * 2;
    if (attributes === undefined) {
      const tensor = { name: linear.weight(block), shape: [rows, cols] };
      const table = await this.matrix(place, densePath(tensor.name), tensor);
      this.bytes.linears += table.data.byteLength;
      return createLinear({ ...denseOf(table, rows), bias });
    }
    if (attributes.rows !== rows || attributes.cols !== cols) {
      throw new EsparseError(
        'store',
        `it is ${attributes.rows} x ${attributes.cols} where the model has ${rows} x ${cols}`,
      );
    }
    const { dtype, keep, group } = attributes;
    const shapes = packedShapes({ keep, group }, rows, cols);
    const values = await this.#map(place, `${name}/values`, 'uint16', shapes.values);
    const indices = await this.#map(place, `${name}/indices`, 'uint8', shapes.indices);
    const permutation = place.group.arrays.has(`${name}/permutation`)
      ? await this.#map(place, `${name}/permutation`, 'int32', [cols])
      : undefined;
    this.bytes.linears += values.byteLength + indices.byteLength;
    this.bytes.permutations += permutation?.byteLength ?? 0;
    return createLinear({
      kind: 'packed',
      dtype,
      rows,
      cols,
      keep,
      group,
      values,
      indices,
      permutation,
      bias,
    });
  }

  /** A matrix that was not pruned, mapped. */
  async matrix(place: GroupPlace, array: string, { shape }: TensorSpec): Promise<RowTable> {
    const cols = shape.at(-1)!;
    const dtype = place.group.arrays.get(array)?.attributes.dtype;
    if (dtype === 'f32') return { dtype, cols, data: await this.#map(place, array, 'float32', shape) };
    if (dtype === 'bf16' || dtype === 'f16') {
      return { dtype, cols, data: await this.#map(place, array, 'uint16', shape) };
    }
    if (!place.group.arrays.has(array)) {
      throw new EsparseError('store', `${place.folder}: array ${array} is missing`);
    }
    throw new EsparseError(
      'store',
      `${place.folder}: array ${array} has a dtype that this version does not know`,
    );
  }

  /** A vector that was not pruned, as f32 in memory of its own. */
  async vector(place: GroupPlace, array: string, tensor: TensorSpec): Promise<Float32Array> {
    const table = await this.matrix(place, array, tensor);
    const vector = new Float32Array(table.cols);
    gatherRows(table, Uint32Array.of(0), 1, vector);
    return vector;
  }

  async #map<T extends 'uint8' | 'uint16' | 'int32' | 'float32'>(
    place: GroupPlace,
    array: string,
    dtype: T,
    shape: readonly number[],
  ) {
    const data = await mapArray(this.#source, place, array, dtype, shape);
    this.bytes.mapped += data.byteLength;
    return data;
  }
}

/** A table as the weights of a linear: one object for all dtypes, each with the elements that go with it. */
function denseOf({ data, ...table }: RowTable, rows: number): DenseWeights {
  // A spread forgets that dtype and elements belong together; the table's type has said so.
  return { kind: 'dense', ...table, rows, weights: data } as DenseWeights;
}

/** The same error with what it is about in front. */
function named(error: unknown, what: string): unknown {
  if (!isEsparseError(error)) return error;
  const { kind, message, hint, context } = error;
  return new EsparseError(kind, `${what}: ${message}`, { hint, context, cause: error });
}
