import {
  deviceEncoding,
  deviceHeadDim,
  encodingBits,
  packedBytes,
  PAGE_POSITIONS,
  type CudaDecoder,
  type DeviceBits,
  type DeviceEncoding,
  type PartVectors,
  type StoredLinear,
} from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import { TILE_ROWS, VECTOR_BYTES, widenReference, type RowTable } from '@esparse/kernels';
import {
  biasSlot,
  expertPart,
  type LinearSpec,
  type ModelDescription,
  type TensorSpec,
} from '@esparse/model';
import { densePath, linearAttributesOf, type LinearAttributes } from '@esparse/model-store';
import { isPacked, isPermutation, unpackToHalf } from '@esparse/sparsity';
import { mapEncoded } from '../../weights/map-linear.ts';
import { mapMatrix } from '../../weights/map-matrix.ts';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';
import type { WeightBytes } from '../backend.ts';
import type { DecoderProgram } from './decoder-program.ts';
import type { NormProgram } from './read-block.ts';
import { fillingOrder, inRowOrder, rowsOfHeads, turningOrder, turnsOf } from './turning-rows.ts';

/** Linears that are read together, by their places in `DECODER_LINEARS`: one kernel, so one encoding. */
const TOGETHER = [[0, 1, 2], [3], [4, 5], [6]] as const;

/** What a block's linears are on the device, each; undefined where a block has none. */
type Encodings = readonly (DeviceEncoding | undefined)[];

/** What a store says of a linear that the kernels can be given: 16-bit floats, or integers of 8 and 4 bits. */
type DeviceAttributes =
  | Extract<LinearAttributes, { readonly dtype: string }>
  | (Extract<LinearAttributes, { readonly bits: number }> & { readonly bits: DeviceBits });

/** The weights of a model, and how they come to the device. */
export class DecoderWeights {
  readonly bytes: WeightBytes;
  /** What the device needs for them, and while they are loaded. */
  readonly deviceBytes: number;
  /**
   * Linears that are stored in a way that the kernels do not have (another pattern than 2:4, scales for too few inputs), or read
   * together with one that is stored in another way, and so are dense bf16 there.
   */
  readonly expanded: number;
  /** Bits of the integers among them. */
  readonly bits: ReadonlySet<DeviceBits>;
  readonly #description: ModelDescription;
  readonly #program: DecoderProgram;
  readonly #outer: ArrayGroup;
  readonly #blocks: readonly {
    readonly group: ArrayGroup;
    readonly encodings: Encodings;
    readonly experts: Encodings;
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
    this.#blocks = places.map((group, block) => ({
      group,
      encodings: encodingsOf(group, specs, block),
      experts: encodingsOfExperts(group, experts, block),
    }));
    const { shape } = program;
    // Refused before anything is loaded, as the others are.
    if (program.positions !== undefined) attributesAt(outer, program.positions.table);
    const outerEncoding = (name: string) => storedEncoding(attributesAt(outer, name), shape.hidden);
    const [ofTable, ofHead] = [outerEncoding(program.embedding), outerEncoding(program.head)];
    const tableSize = { rows: shape.vocab, cols: shape.hidden };
    const table = tableBytes(tableSize, attributesAt(outer, program.embedding));
    const head = packedBytes(tableSize, ofHead ?? 'dense');
    const used = new Set([ofTable, ofHead]);
    let [linears, dense, expanded] = [0, 0, 0];
    for (const [block, { group, encodings, experts: ofExperts }] of this.#blocks.entries()) {
      const add = (spec: LinearSpec | undefined, encoding: DeviceEncoding | undefined) => {
        if (spec === undefined || encoding === undefined) return;
        linears += packedBytes(spec, encoding);
        dense += spec.rows * spec.cols * 2;
        used.add(encoding);
        if (storedEncoding(attributesOf(group, spec, block), spec.cols) !== encoding) expanded++;
      };
      for (const [i, spec] of specs.entries()) add(spec, encodings[i]);
      for (const own of experts) for (const [i, spec] of own.entries()) add(spec, ofExperts[i]);
    }
    this.expanded = expanded;
    this.bits = new Set([...used].flatMap((encoding) => (encoding && encodingBits(encoding)) ?? []));
    this.bytes = { mapped: linears + table + head, linears, permutations: 0, denseLinears: dense, head };
    const staging = Math.max(
      shape.vocab * shape.hidden * 2,
      ...[...specs, ...(experts[0] ?? [])].map((spec) => (spec ? spec.rows * spec.cols * 2 : 0)),
    );
    this.deviceBytes = linears + table + head + staging;
  }

  /**
   * Reads what the store says of a model's arrays, and none of them.
   *
   * @throws EsparseError 'unsupported' for an encoding that the kernels do not have
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
    for (const [block, { group, encodings, experts }] of this.#blocks.entries()) {
      signal?.throwIfAborted();
      const linears: (StoredLinear | undefined)[] = [];
      for (const [i, spec] of this.#specs().entries()) {
        linears.push(spec && (await this.#linear(group, spec, block, encodings[i]!)));
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
    encodings: Encodings,
  ): Promise<void> {
    const specs = this.#expertSpecs(expert);
    const [gate, up, down] = specs;
    const linears: StoredLinear[] = [];
    for (const [i, spec] of specs.entries())
      linears.push(await this.#linear(group, spec, block, encodings[i]!));
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
    const { values: table } = await this.#matrix(
      this.#outer,
      positions.table,
      this.#outerTensor(positions.table),
      'dense',
    );
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

  #outerMatrix(name: string): Promise<StoredLinear> {
    return this.#matrix(this.#outer, name, this.#outerTensor(name));
  }

  async #linear(
    group: ArrayGroup,
    spec: LinearSpec,
    block: number,
    encoding: DeviceEncoding,
  ): Promise<StoredLinear> {
    const { name, rows, cols } = spec;
    const weight = spec.weight(block);
    const attributes = attributesAt(group, name);
    if (attributes === undefined) {
      return this.#matrix(group, densePath(weight), { name: weight, shape: [rows, cols] }, encoding);
    }
    const where = `block ${block}: ${name}`;
    requireSize(attributes, [rows, cols], where);
    return this.#encoded(group, name, attributes, encoding, where);
  }

  /** What is stored with attributes of its own. */
  async #encoded(
    group: ArrayGroup,
    name: string,
    attributes: DeviceAttributes,
    encoding: DeviceEncoding,
    where: string,
  ): Promise<StoredLinear> {
    const { rows, cols } = attributes;
    if (isPacked(attributes)) requireBf16(attributes.dtype, where);
    const { linear } = await mapEncoded(group, name, attributes);
    const { permutation } = linear;
    if (permutation !== undefined && !isPermutation(permutation, cols)) {
      throw new EsparseError(
        'store',
        `${where}: its permutation does not name each of ${cols} channels once`,
      );
    }
    if (storedEncoding(attributes, cols) !== encoding) {
      return { rows, cols, values: await unpackToHalf(linear, 'bf16') };
    }
    const { indices } = linear;
    if (!('scales' in linear)) return { rows, cols, values: linear.values, indices, permutation };
    const { bits, span, values, scales } = linear;
    return { rows, cols, bits, span, values, scales, indices, permutation };
  }

  /** A matrix that is not pruned: as it was, or as integers in its place. */
  async #matrix(
    group: ArrayGroup,
    array: string,
    { shape }: TensorSpec,
    encoding?: DeviceEncoding,
  ): Promise<StoredLinear> {
    const [rows, cols] = shape as [number, number];
    const where = `${group.name}: ${array}`;
    const attributes = attributesAt(group, array);
    if (attributes !== undefined) {
      requireSize(attributes, shape, where);
      if (attributes.group !== 1) {
        throw new EsparseError('store', `${where}: a matrix that is not pruned is stored as a pruned one`);
      }
      const own = storedEncoding(attributes, cols);
      return this.#encoded(group, array, attributes, encoding ?? own ?? 'dense', where);
    }
    const { dtype, data } = await mapMatrix(group, array, shape);
    requireBf16(dtype, where);
    return { rows, cols, values: data as Uint16Array };
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

/** What the store says of a linear, or of the matrix in its place; undefined where that is plain. */
function attributesOf(group: ArrayGroup, { name, weight }: LinearSpec, block: number) {
  return attributesAt(group, name) ?? attributesAt(group, densePath(weight(block)));
}

/** @throws EsparseError 'unsupported' naming what is stored as the kernels do not have it */
function attributesAt(group: ArrayGroup, name: string): DeviceAttributes | undefined {
  const attributes = linearAttributesOf(group, name);
  if (attributes === undefined || isPacked(attributes)) return attributes;
  const where = `${group.name}: ${name}`;
  if (!('bits' in attributes)) throw refused(`${where} has the encoding ${attributes.encoding}`);
  const { bits } = attributes;
  if (bits === 3) throw refused(`${where} is integers of 3 bits`);
  return { ...attributes, bits };
}

/** The encoding that the device has for what is stored so; undefined where it has none. */
function storedEncoding(attributes: DeviceAttributes | undefined, cols: number): DeviceEncoding | undefined {
  return attributes === undefined ? 'dense' : deviceEncoding({ ...attributes, cols });
}

/** A linear is on the device what it is in the store where all that are read together with it are the same; else dense bf16. */
function encodingsOf(
  group: ArrayGroup,
  specs: readonly (LinearSpec | undefined)[],
  block: number,
): Encodings {
  const own = specs.map((spec) => spec && storedEncoding(attributesOf(group, spec, block), spec.cols));
  return specs.map((spec, i) => {
    if (spec === undefined) return undefined;
    const together = TOGETHER.find((places) => places.some((place) => place === i))!;
    const encoding = own[i];
    const same = together.every((place) => specs[place] === undefined || own[place] === encoding);
    return encoding !== undefined && same ? encoding : 'dense';
  });
}

/** Bytes of an embedding on the device: as the store has it. */
function tableBytes(
  { rows, cols }: { rows: number; cols: number },
  attributes: DeviceAttributes | undefined,
) {
  if (attributes === undefined || !('bits' in attributes)) return rows * cols * 2;
  const { bits, span } = attributes;
  const tiles = Math.ceil(rows / TILE_ROWS);
  const vectors = (Math.ceil(cols / 16) * bits) / 2;
  return tiles * (vectors * VECTOR_BYTES + Math.ceil(cols / span) * TILE_ROWS * 2);
}

/**
 * The same of gate, up and down of all experts, whose kernels are one, of bf16.
 *
 * @throws EsparseError 'unsupported' naming an expert's linear that is integers
 */
function encodingsOfExperts(
  group: ArrayGroup,
  experts: readonly (readonly LinearSpec[])[],
  block: number,
): Encodings {
  const own = experts.map((specs) =>
    specs.map((spec) => {
      const attributes = attributesOf(group, spec, block);
      if (attributes !== undefined && !isPacked(attributes)) {
        throw refused(`${group.name}: ${spec.name}, of an expert, is integers`);
      }
      return storedEncoding(attributes, spec.cols);
    }),
  );
  const allOf = (...places: readonly number[]) =>
    own.every((expert) => places.every((place) => expert[place] === 'sparse')) ? 'sparse' : 'dense';
  return [allOf(0, 1), allOf(0, 1), allOf(2)];
}

function f32Of(table: RowTable): Float32Array {
  return table.dtype === 'f32'
    ? table.data.slice()
    : Float32Array.from(widenReference(table.dtype, table.data));
}

function requireSize(
  { rows, cols }: LinearAttributes,
  [ofRows, ofCols]: readonly number[],
  where: string,
): void {
  if (rows === ofRows && cols === ofCols) return;
  throw new EsparseError(
    'store',
    `${where}: it is ${rows} x ${cols} where the model has ${ofRows} x ${ofCols}`,
  );
}

function requireBf16(dtype: string, where: string): void {
  if (dtype !== 'bf16') throw refused(`${where} is ${dtype}`);
}

function refused(what: string): EsparseError {
  return new EsparseError(
    'unsupported',
    `${what}: the CUDA kernels take bf16 and, but for experts of mixtures, int8 and int4`,
    { hint: 'use --device cpu' },
  );
}

function named<T extends { readonly name: string }>(all: readonly T[], name: string): T {
  const found = all.find((candidate) => candidate.name === name);
  if (found === undefined)
    throw new EsparseError('internal', `the program's parameter '${name}' is not there`);
  return found;
}
