import { DECODER_LINEARS, packedBytes, type CudaDecoder, type StoredLinear } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import { widenReference, type RowTable } from '@esparse/kernels';
import { biasSlot, type LinearSpec, type ModelDescription, type TensorSpec } from '@esparse/model';
import { densePath, linearAttributesOf } from '@esparse/model-store';
import { isPermutation, packedShapes, QUANTIZED, unpackLinear } from '@esparse/sparsity';
import { mapArray } from '../../weights/map-array.ts';
import { mapMatrix } from '../../weights/map-matrix.ts';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';
import type { WeightBytes } from '../backend.ts';
import type { DecoderProgram } from './decoder-program.ts';
import { turningOrder, turningRows, turnsOf } from './turning-rows.ts';

/** Linears that are read together, by their places in `DECODER_LINEARS`: one kernel, so one format. */
const TOGETHER = [[0, 1, 2], [3], [4, 5], [6]] as const;

/** Which of a block's linears stay 2:4 on the device; the others are dense there. */
type Sparse = readonly boolean[];

/** The weights of a model, and how they come to the device. */
export class DecoderWeights {
  readonly bytes: WeightBytes;
  /** What the device needs for them, and while they are loaded. */
  readonly deviceBytes: number;
  /** Linears that are packed in another pattern than 2:4, or read together with one that is not, and so are dense there. */
  readonly expanded: number;
  readonly #description: ModelDescription;
  readonly #program: DecoderProgram;
  readonly #outer: ArrayGroup;
  readonly #blocks: readonly { readonly group: ArrayGroup; readonly sparse: Sparse }[];

  private constructor(
    description: ModelDescription,
    program: DecoderProgram,
    outer: ArrayGroup,
    places: readonly ArrayGroup[],
  ) {
    this.#description = description;
    this.#program = program;
    this.#outer = outer;
    const specs = this.#specs();
    this.#blocks = places.map((group) => ({ group, sparse: sparseOf(group, specs) }));
    const { shape } = program;
    const table = shape.vocab * shape.hidden * 2;
    const head = packedBytes({ rows: shape.vocab, cols: shape.hidden }, false);
    let [linears, dense, expanded] = [0, 0, 0];
    for (const { group, sparse } of this.#blocks) {
      for (const [i, spec] of specs.entries()) {
        linears += packedBytes(spec, sparse[i]!);
        dense += spec.rows * spec.cols * 2;
        if (!sparse[i]! && linearAttributesOf(group, spec.name) !== undefined) expanded++;
      }
    }
    this.expanded = expanded;
    this.bytes = { mapped: linears + table + head, linears, permutations: 0, denseLinears: dense, head };
    const staging = Math.max(table, ...specs.map(({ rows, cols }) => rows * cols * 2));
    this.deviceBytes = linears + table + head + staging;
  }

  /**
   * Reads what the store says of a model's arrays, and none of them.
   *
   * @throws EsparseError 'unsupported' for a dtype that the kernels do not have
   */
  static async open(
    arrays: ModelArrays,
    description: ModelDescription,
    program: DecoderProgram,
  ): Promise<DecoderWeights> {
    const blocks: ArrayGroup[] = [];
    for (let block = 0; block < description.blocks; block++) blocks.push(await arrays.block(block));
    return new DecoderWeights(description, program, await arrays.dense(), blocks);
  }

  /**
   * Copies everything to the device.
   *
   * @throws EsparseError 'store' naming what is missing, of another size, or damaged
   */
  async load(decoder: CudaDecoder, positions: number, signal: AbortSignal | undefined): Promise<void> {
    const [program, description] = [this.#program, this.#description];
    const { heads, kvHeads, headDim } = program.shape;
    const order = turningOrder(headDim, program.rotated);
    const outer = (name: string) => named(description.outerTensors, name);
    decoder.outer({
      embedding: await this.#matrix(this.#outer, program.embedding, outer(program.embedding)),
      head:
        program.head === program.embedding
          ? undefined
          : await this.#matrix(this.#outer, program.head, outer(program.head)),
      // Logits are linear in what the last norm gives.
      norm: (await this.#vector(this.#outer, program.finalNorm, outer(program.finalNorm))).map(
        (weight) => weight * program.logitFactor,
      ),
      rotary: program.ropes.map((spec) => turnsOf(spec, headDim, positions)),
      queryRows: order && turningRows(order, heads),
      keyRows: order && turningRows(order, kvHeads),
    });
    /** A vector of q, k and v, or of a head, in the order of the rows on the device. */
    const inOrder = (vector: Float32Array | undefined, rows: number) => {
      if (order === undefined || vector === undefined) return vector;
      const places = turningRows(order, rows / headDim);
      return vector.map((value, row) => (row < rows ? vector[places[row]!]! : value));
    };
    const specs = this.#specs();
    for (const [block, { group, sparse }] of this.#blocks.entries()) {
      signal?.throwIfAborted();
      const tensors = description.blockTensors(block);
      const vector = (slot: string) => {
        const tensor = tensors.find((candidate) => candidate.slot === slot)!;
        return this.#vector(group, densePath(tensor.name), tensor);
      };
      const linears: StoredLinear[] = [];
      for (const [i, spec] of specs.entries()) {
        linears.push(await this.#linear(group, spec, block, sparse[i]!));
      }
      const { headNorms, windows } = program;
      decoder.block(
        block,
        {
          input: await vector(program.inputNorm),
          middle: await vector(program.middleNorm),
          bias: inOrder(await biasOf(specs.slice(0, 3), vector), (heads + kvHeads) * headDim),
          query: inOrder(headNorms && (await vector(headNorms.query)), headDim),
          key: inOrder(headNorms && (await vector(headNorms.key)), headDim),
          window: windows[block],
          rotary: program.ropeOf[block],
        },
        linears,
      );
    }
  }

  /** The linears of a block, in the order of `DECODER_LINEARS`. */
  #specs(): LinearSpec[] {
    return DECODER_LINEARS.map((_, i) => named(this.#description.linears, this.#program.linears[i]!));
  }

  async #linear(group: ArrayGroup, spec: LinearSpec, block: number, sparse: boolean): Promise<StoredLinear> {
    const { name, rows, cols } = spec;
    const attributes = linearAttributesOf(group, name);
    if (attributes === undefined) {
      const weight = spec.weight(block);
      return {
        rows,
        cols,
        values: await this.#matrix(group, densePath(weight), { name: weight, shape: [rows, cols] }),
      };
    }
    const where = `block ${block}: ${name}`;
    if (attributes.rows !== rows || attributes.cols !== cols) {
      throw new EsparseError(
        'store',
        `${where}: it is ${attributes.rows} x ${attributes.cols} where the model has ${rows} x ${cols}`,
      );
    }
    if (attributes.encoding === QUANTIZED) {
      throw quantizedOnDevice(where);
    }
    const { keep, group: size, dtype, encoding, tileRows } = attributes;
    requireBf16(dtype, where);
    const shapes = packedShapes({ keep, group: size }, rows, cols);
    const values = await mapArray(group, `${name}/values`, 'uint16', shapes.values);
    const indices = await mapArray(group, `${name}/indices`, 'uint8', shapes.indices);
    const permutation = await mapArray(group, `${name}/permutation`, 'int32', [cols]);
    if (!isPermutation(permutation, cols)) {
      throw new EsparseError(
        'store',
        `${where}: its permutation does not name each of ${cols} channels once`,
      );
    }
    if (sparse) return { rows, cols, values, indices, permutation };
    const pattern = { keep, group: size };
    return {
      rows,
      cols,
      values: await unpackLinear({
        encoding,
        dtype,
        rows,
        cols,
        pattern,
        tileRows,
        values,
        indices,
        permutation,
      }),
    };
  }

  async #matrix(group: ArrayGroup, array: string, { shape }: TensorSpec): Promise<Uint16Array> {
    if (linearAttributesOf(group, array) !== undefined) throw quantizedOnDevice(`${group.name}: ${array}`);
    const { dtype, data } = await mapMatrix(group, array, shape);
    requireBf16(dtype, `${group.name}: ${array}`);
    return data as Uint16Array;
  }

  async #vector(group: ArrayGroup, array: string, { shape }: TensorSpec): Promise<Float32Array> {
    return f32Of(await mapMatrix(group, array, shape));
  }
}

/** The biases of linears that are read together, one after the other, zeros where one has none. */
async function biasOf(
  specs: readonly LinearSpec[],
  vector: (slot: string) => Promise<Float32Array>,
): Promise<Float32Array | undefined> {
  if (specs.every(({ bias }) => bias === undefined)) return undefined;
  const out = new Float32Array(specs.reduce((rows, spec) => rows + spec.rows, 0));
  let row = 0;
  for (const { name, rows, bias } of specs) {
    if (bias !== undefined) out.set(await vector(biasSlot(name)), row);
    row += rows;
  }
  return out;
}

/** A linear is 2:4 on the device where it is in the store, and so are all that are read together with it. */
function sparseOf(group: ArrayGroup, specs: readonly LinearSpec[]): Sparse {
  const is = specs.map(({ name }) => {
    const attributes = linearAttributesOf(group, name);
    return attributes?.keep === 2 && attributes.group === 4;
  });
  return specs.map((_, i) =>
    TOGETHER.find((places) => places.some((group) => group === i))!.every((group) => is[group]),
  );
}

function f32Of(table: RowTable): Float32Array {
  return table.dtype === 'f32'
    ? table.data.slice()
    : Float32Array.from(widenReference(table.dtype, table.data));
}

function quantizedOnDevice(where: string): EsparseError {
  return new EsparseError('unsupported', `${where} is quantized: the CUDA kernels take bf16`, {
    hint: 'use --device cpu',
  });
}

function requireBf16(dtype: string, where: string): void {
  if (dtype === 'bf16') return;
  throw new EsparseError('unsupported', `${where} is ${dtype}: the CUDA kernels take bf16`, {
    hint: 'use --device cpu',
  });
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((candidate) => candidate.name === name);
  if (found === undefined)
    throw new EsparseError('internal', `the program's parameter '${name}' is not there`);
  return found;
}
