import { EsparseError, isEsparseError } from '@esparse/errors';
import type { InferenceKernels, Linear, LinearWeights, Table } from '@esparse/kernels';
import { biasSlot, linearsOf, type LinearSpec, type ModelDescription, type TensorSpec } from '@esparse/model';
import { densePath, linearAttributesOf } from '@esparse/model-store';
import type { WeightBytes } from '../backend.ts';
import { mapLinear } from '../../weights/map-linear.ts';
import { mapMatrix } from '../../weights/map-matrix.ts';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';

/** The weights of a model, as they lie in the store or the checkpoint. */
export interface ModelWeights {
  /** What the program reads before the first block and after the last one. */
  readonly outer: SectionWeights;
  readonly blocks: readonly SectionWeights[];
  readonly bytes: WeightBytes;
}

/** What a block, or the program outside of the blocks, reads: each by its slot. */
export interface SectionWeights {
  readonly linears: ReadonlyMap<string, Linear>;
  /** Norms and the like, as f32. */
  readonly vectors: ReadonlyMap<string, Float32Array>;
  /** Matrices that are no linear's: embeddings, head, routers. */
  readonly tables: ReadonlyMap<string, Table>;
}

/** Blocks whose documents are read at the same time. */
const BLOCKS_AT_ONCE = 4;

/**
 * Maps the weights of a model. Nothing is read but what has to be checked: the sizes of everything, the indices of the
 * linears.
 *
 * @throws EsparseError 'store' naming the block and array that is missing, of another size, or not a choice of N of M
 */
export async function mapWeights(
  description: ModelDescription,
  arrays: ModelArrays,
  kernels: InferenceKernels,
  signal?: AbortSignal,
): Promise<ModelWeights> {
  const mapper = new Mapper(kernels);
  const outer = await arrays.dense();
  const [vectors, tables] = [new Map<string, Float32Array>(), new Map<string, Table>()];
  for (const tensor of description.outerTensors) {
    if (tensor.shape.length === 1) vectors.set(tensor.name, await mapper.vector(outer, tensor.name, tensor));
    else tables.set(tensor.name, await mapper.matrix(outer, tensor.name, tensor));
  }
  const blocks: SectionWeights[] = [];
  for (let first = 0; first < description.blocks; first += BLOCKS_AT_ONCE) {
    signal?.throwIfAborted();
    const numbers = Array.from(
      { length: Math.min(BLOCKS_AT_ONCE, description.blocks - first) },
      (_, i) => first + i,
    );
    const groups = await Promise.all(numbers.map((block) => arrays.block(block)));
    for (const [i, block] of numbers.entries()) {
      blocks.push(await mapper.block(groups[i]!, description, block));
    }
  }
  const head = description.program.head.reduce(
    (bytes, op) => bytes + (op.op === 'logits' ? tableBytes(tables.get(op.weight)!) : 0),
    0,
  );
  return {
    outer: { linears: new Map(), vectors, tables },
    blocks,
    bytes: { ...mapper.bytes, head },
  };
}

class Mapper {
  readonly bytes = { mapped: 0, linears: 0, permutations: 0, denseLinears: 0 };
  readonly #kernels: InferenceKernels;

  constructor(kernels: InferenceKernels) {
    this.#kernels = kernels;
  }

  async block(group: ArrayGroup, description: ModelDescription, block: number): Promise<SectionWeights> {
    const vectors = new Map<string, Float32Array>();
    const tables = new Map<string, Table>();
    for (const { slot, ...tensor } of description.blockTensors(block)) {
      const array = densePath(tensor.name);
      if (tensor.shape.length === 1) vectors.set(slot, await this.vector(group, array, tensor));
      else tables.set(slot, await this.matrix(group, array, tensor));
    }
    const linears = new Map<string, Linear>();
    for (const linear of linearsOf(description, block)) {
      const bias = vectors.get(biasSlot(linear.name));
      try {
        linears.set(linear.name, await this.#linear(group, linear, block, bias));
      } catch (error) {
        throw about(error, `block ${block}: ${linear.name}`);
      }
    }
    return { linears, vectors, tables };
  }

  async #linear(
    group: ArrayGroup,
    linear: LinearSpec,
    block: number,
    bias: Float32Array | undefined,
  ): Promise<Linear> {
    const { name, rows, cols } = linear;
    const attributes = linearAttributesOf(group, name);
    this.bytes.denseLinears += rows * cols * 2;
    if (attributes === undefined) {
      const tensor = { name: linear.weight(block), shape: [rows, cols] };
      const table = await this.matrix(group, densePath(tensor.name), tensor);
      this.bytes.linears += tableBytes(table);
      return this.#kernels.createLinear({ ...weightsOf(table), bias });
    }
    if (attributes.rows !== rows || attributes.cols !== cols) {
      throw new EsparseError(
        'store',
        `it is ${attributes.rows} x ${attributes.cols} where the model has ${rows} x ${cols}`,
      );
    }
    const { weights, bytes, permutationBytes } = await mapLinear(group, name, attributes);
    this.bytes.mapped += bytes + permutationBytes;
    this.bytes.linears += bytes;
    this.bytes.permutations += permutationBytes;
    return this.#kernels.createLinear({ ...weights, bias });
  }

  /** A matrix that was not pruned, mapped: as it was, or quantized in its place. */
  async matrix(group: ArrayGroup, array: string, { shape }: TensorSpec): Promise<Table> {
    const attributes = linearAttributesOf(group, array);
    const table =
      attributes === undefined
        ? await mapMatrix(group, array, shape)
        : tableOf((await mapLinear(group, array, attributes)).weights);
    if ('kind' in table && (table.rows !== shape[0] || table.cols !== shape[1] || table.group !== 1)) {
      throw new EsparseError(
        'store',
        `${group.name}: ${array} is ${table.rows} x ${table.cols} where the model has ${shape.join(' x ')}`,
      );
    }
    this.bytes.mapped += tableBytes(table);
    return table;
  }

  /** A vector that was not pruned, as f32 in memory of its own. */
  async vector(group: ArrayGroup, array: string, tensor: TensorSpec): Promise<Float32Array> {
    const table = await this.matrix(group, array, tensor);
    const vector = new Float32Array(table.cols);
    this.#kernels.gatherRows(table, Uint32Array.of(0), 1, vector);
    return vector;
  }
}

/** @throws EsparseError 'store' for a matrix that is pruned, in the place of one that is not */
function tableOf(weights: LinearWeights): Table {
  if (weights.kind === 'quantized') return weights;
  throw new EsparseError('store', 'a matrix that is not pruned is stored as a pruned one');
}

/** Bytes of its elements. */
function tableBytes(table: Table): number {
  if (!('kind' in table)) return table.data.byteLength;
  return table.codes.byteLength + table.scales.byteLength;
}

/** A table as the weights of a linear: one object for all dtypes, each with the elements that go with it. */
export function weightsOf(found: Table): LinearWeights {
  if ('kind' in found) return found;
  const { data, ...table } = found;
  const rows = data.length / table.cols;
  // A spread forgets that dtype and elements belong together; the table's type has said so.
  return { kind: 'dense', ...table, rows, weights: data } as LinearWeights;
}

/** What a program's parameter is. @throws EsparseError 'internal' where there is none of that name */
export function named<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined)
    throw new EsparseError('internal', `the program's parameter '${name}' is not there`);
  return found;
}

/** The same error with what it is about in front. */
function about(error: unknown, what: string): unknown {
  if (!isEsparseError(error)) return error;
  const { kind, message, hint, context } = error;
  return new EsparseError(kind, `${what}: ${message}`, { hint, context, cause: error });
}
