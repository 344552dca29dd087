import {
  deviceHeadDim,
  packedBytes,
  PAGE_POSITIONS,
  type CudaDecoder,
  type PartVectors,
  type StoredLinear,
} from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import { widenReference, type RowTable } from '@esparse/kernels';
import {
  biasSlot,
  expertPart,
  type LinearSpec,
  type ModelDescription,
  type TensorSpec,
} from '@esparse/model';
import { densePath, linearAttributesOf } from '@esparse/model-store';
import { isPacked, isPermutation, packedShapes, unpackLinear } from '@esparse/sparsity';
import { mapArray } from '../../weights/map-array.ts';
import { mapMatrix } from '../../weights/map-matrix.ts';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';
import type { WeightBytes } from '../backend.ts';
import type { DecoderProgram } from './decoder-program.ts';
import type { NormProgram } from './read-block.ts';
import { fillingOrder, inRowOrder, rowsOfHeads, turningOrder, turnsOf } from './turning-rows.ts';

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
  readonly #blocks: readonly {
    readonly group: ArrayGroup;
    readonly sparse: Sparse;
    readonly experts: Sparse;
  }[];

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
    const experts = Array.from({ length: program.experts?.experts ?? 0 }, (_, expert) =>
      this.#expertSpecs(expert),
    );
    this.#blocks = places.map((group) => ({
      group,
      sparse: sparseOf(group, specs),
      experts: sparseOfExperts(group, experts),
    }));
    const { shape } = program;
    const table = shape.vocab * shape.hidden * 2;
    const head = packedBytes({ rows: shape.vocab, cols: shape.hidden }, false);
    let [linears, dense, expanded] = [0, 0, 0];
    for (const { group, sparse, experts: ofExperts } of this.#blocks) {
      const add = (spec: LinearSpec | undefined, isSparse: boolean) => {
        if (spec === undefined) return;
        linears += packedBytes(spec, isSparse);
        dense += spec.rows * spec.cols * 2;
        if (!isSparse && linearAttributesOf(group, spec.name) !== undefined) expanded++;
      };
      for (const [i, spec] of specs.entries()) add(spec, sparse[i]!);
      for (const own of experts) for (const [i, spec] of own.entries()) add(spec, ofExperts[i]!);
    }
    this.expanded = expanded;
    this.bytes = { mapped: linears + table + head, linears, permutations: 0, denseLinears: dense, head };
    const staging = Math.max(
      table,
      ...[...specs, ...(experts[0] ?? [])].map((spec) => (spec ? spec.rows * spec.cols * 2 : 0)),
    );
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
    const { headDim } = this.#program.shape;
    const rows = this.#rowsOfHeads();
    const vectors = (name: string) => this.#vector(this.#outer, name, this.#outerTensor(name));
    const { finalNorm, logitFactor, embedding, head, ropes } = this.#program;
    decoder.outer({
      embedding: await this.#outerMatrix(embedding),
      head: head === embedding ? undefined : await this.#outerMatrix(head),
      // Logits are linear in what the last norm gives.
      norm: (await this.#weightOf(finalNorm, vectors)).map((weight) => weight * logitFactor),
      shift:
        finalNorm.shift === undefined
          ? undefined
          : (await vectors(finalNorm.shift)).map((value) => value * logitFactor),
      positions: await this.#positions(positions),
      rotary: ropes.map((spec) => turnsOf(spec, deviceHeadDim(headDim), positions)),
      rows: rows && [rows.query, rows.key, rows.value],
    });
    for (const [block, { group, sparse, experts }] of this.#blocks.entries()) {
      signal?.throwIfAborted();
      const linears: (StoredLinear | undefined)[] = [];
      for (const [i, spec] of this.#specs().entries()) {
        linears.push(spec && (await this.#linear(group, spec, block, sparse[i]!)));
      }
      decoder.block(block, await this.#parts(block, group, rows), linears);
      for (let expert = 0; expert < (this.#program.experts?.experts ?? 0); expert++) {
        signal?.throwIfAborted();
        await this.#loadExpert(decoder, { block, group, expert }, experts);
      }
    }
  }

  async #loadExpert(
    decoder: CudaDecoder,
    { block, group, expert }: { readonly block: number; readonly group: ArrayGroup; readonly expert: number },
    sparse: Sparse,
  ): Promise<void> {
    const specs = this.#expertSpecs(expert);
    const [gate, up, down] = specs;
    const linears: StoredLinear[] = [];
    for (const [i, spec] of specs.entries()) linears.push(await this.#linear(group, spec, block, sparse[i]!));
    const vector = this.#blockVectors(block, group);
    const biases = { inner: await biasOf([gate, up], vector), down: await biasOf([down], vector) };
    decoder.expert(block, expert, linears, biases);
  }

  /** What a block has by its slots. */
  #blockVectors(block: number, group: ArrayGroup): (slot: string) => Promise<Float32Array> {
    const tensors = this.#description.blockTensors(block);
    return (slot) => {
      const tensor = tensors.find((candidate) => candidate.slot === slot)!;
      return this.#vector(group, densePath(tensor.name), tensor);
    };
  }

  /** What a block has beside its linears. */
  async #parts(block: number, group: ArrayGroup, rows: HeadRows | undefined) {
    const { norms, windows, ropeOf, shape, sinks, experts } = this.#program;
    const vector = this.#blockVectors(block, group);
    const weight = async (norm: NormProgram | undefined) => norm && (await this.#weightOf(norm, vector));
    const specs = this.#specs();
    const [q, k, v, o, gate, up, down] = specs;
    const part = async (
      {
        before,
        after,
      }: { readonly before?: NormProgram | undefined; readonly after?: NormProgram | undefined },
      last: LinearSpec | undefined,
    ): Promise<PartVectors> => ({
      before: await weight(before),
      shift: before?.shift === undefined ? undefined : await vector(before.shift),
      bias: await biasOf([last], vector),
      after: await weight(after),
    });
    const ofHeads = async (norm: NormProgram | undefined, ofAll: Int32Array | undefined) => {
      const given = await weight(norm);
      const places = shape.headNorm === 'width' ? ofAll : ofAll?.subarray(0, deviceHeadDim(shape.headDim));
      return given && inRowOrder(given, places);
    };
    return {
      attention: await part(norms.attention, o),
      mlp: await part(norms.mlp, down),
      bias: await biasOf([q, k, v], vector, rows && [rows.query, rows.key, rows.value]),
      innerBias: await biasOf(up === undefined ? [gate] : [gate, up], vector),
      sinks: sinks === undefined ? undefined : await vector(sinks),
      router: experts && (await vector(experts.router)),
      routerBias: experts?.bias === undefined ? undefined : await vector(experts.bias),
      query: await ofHeads(norms.query, rows?.query),
      key: await ofHeads(norms.key, rows?.key),
      window: windows[block],
      rotary: ropeOf[block],
    };
  }

  /** Which rows of q, k and v stand where on the device; undefined: as they are stored. */
  #rowsOfHeads(): HeadRows | undefined {
    const { shape, rotated } = this.#program;
    const { heads, kvHeads, headDim } = shape;
    const places = deviceHeadDim(headDim);
    const turning = turningOrder(headDim, rotated, places);
    if (turning === undefined) return undefined;
    const filling = fillingOrder(headDim, places);
    return {
      query: rowsOfHeads(turning, heads, headDim),
      key: rowsOfHeads(turning, kvHeads, headDim),
      value: filling && rowsOfHeads(filling, kvHeads, headDim),
    };
  }

  /** Learned positions from 0 on, with whole pages of them. */
  async #positions(count: number): Promise<Uint16Array | undefined> {
    const { positions } = this.#program;
    if (positions === undefined) return undefined;
    const { hidden } = this.#description;
    const table = await this.#outerMatrix(positions.table);
    const out = new Uint16Array(Math.ceil(count / PAGE_POSITIONS) * PAGE_POSITIONS * hidden);
    out.set(table.subarray(positions.offset * hidden, (positions.offset + count) * hidden));
    return out;
  }

  async #weightOf({ weight, offset }: NormProgram, vector: (name: string) => Promise<Float32Array>) {
    const of = await vector(weight);
    return offset === 0 ? of : of.map((value) => value + offset);
  }

  /** The linears of a block, in the order of `DECODER_LINEARS`. */
  #specs(): (LinearSpec | undefined)[] {
    return this.#program.linears.map((name) =>
      name === undefined ? undefined : named(this.#description.linears, name),
    );
  }

  /** Gate, up and down of an expert. */
  #expertSpecs(expert: number): LinearSpec[] {
    const names = this.#program.experts?.linears ?? [];
    return names.map((name) => named(this.#description.linears, expertPart(expert, name)));
  }

  #outerTensor(name: string): TensorSpec {
    return named(this.#description.outerTensors, name);
  }

  #outerMatrix(name: string): Promise<Uint16Array> {
    return this.#matrix(this.#outer, name, this.#outerTensor(name));
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
    if (!isPacked(attributes)) {
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

/** Which row of q, k and v stands at each place on the device. */
interface HeadRows {
  readonly query: Int32Array;
  readonly key: Int32Array;
  readonly value: Int32Array | undefined;
}

/** The biases of linears that are read together, one after the other, zeros where one has none, each in its order of rows. */
async function biasOf(
  specs: readonly (LinearSpec | undefined)[],
  vector: (slot: string) => Promise<Float32Array>,
  orders: readonly (Int32Array | undefined)[] = [],
): Promise<Float32Array | undefined> {
  if (specs.every((spec) => spec?.bias === undefined)) return undefined;
  const all: number[][] = [];
  for (const [i, spec] of specs.entries()) {
    const { name, rows, bias } = spec!;
    const own = bias === undefined ? new Float32Array(rows) : await vector(biasSlot(name));
    all.push([...inRowOrder(own, orders[i])]);
  }
  return Float32Array.from(all.flat());
}

/** A linear is 2:4 on the device where it is in the store, and so are all that are read together with it. */
function sparseOf(group: ArrayGroup, specs: readonly (LinearSpec | undefined)[]): Sparse {
  const is = specs.map((spec) => {
    const attributes = spec && linearAttributesOf(group, spec.name);
    return spec === undefined || (attributes?.keep === 2 && attributes.group === 4);
  });
  return specs.map((_, i) =>
    TOGETHER.find((places) => places.some((group) => group === i))!.every((group) => is[group]),
  );
}

/** The same of gate, up and down of all experts, whose kernels are one. */
function sparseOfExperts(group: ArrayGroup, experts: readonly (readonly LinearSpec[])[]): Sparse {
  const is = [0, 1, 2].map((i) =>
    experts.every((specs) => {
      const attributes = linearAttributesOf(group, specs[i]!.name);
      return attributes?.keep === 2 && attributes.group === 4;
    }),
  );
  return [is[0]! && is[1]!, is[0]! && is[1]!, is[2]!];
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
