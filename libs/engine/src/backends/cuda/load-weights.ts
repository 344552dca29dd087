import type { CudaDecoder, DeviceBits } from '@esparse/cuda';
import type { ModelDescription } from '@esparse/model';
import type { ArrayGroup, ModelArrays } from '../../weights/model-arrays.ts';
import type { WeightBytes } from '../backend.ts';
import type { DecoderProgram } from './decoder-program.ts';
import { deviceBytesOf } from './device-bytes.ts';
import { encodingsOf, encodingsOfExperts } from './device-encodings.ts';
import { headRowsOf } from './head-rows.ts';
import { loadBlock, type StoredBlock } from './load-block.ts';
import { loadOuter } from './load-outer.ts';
import { expertLinearsOf, linearsOf, type ProgrammedModel } from './program-linears.ts';
import { attributesAt } from './stored-attributes.ts';

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
  readonly #model: ProgrammedModel;
  readonly #outer: ArrayGroup;
  readonly #blocks: readonly StoredBlock[];

  private constructor(model: ProgrammedModel, outer: ArrayGroup, places: readonly ArrayGroup[]) {
    const { program } = model;
    this.#model = model;
    this.#outer = outer;
    const specs = linearsOf(model);
    const experts = Array.from({ length: program.experts?.experts ?? 0 }, (_, expert) =>
      expertLinearsOf(model, expert),
    );
    this.#blocks = places.map((group, block) => ({
      group,
      encodings: encodingsOf(group, specs, block),
      experts: encodingsOfExperts(group, experts, block),
    }));
    // Refused before anything is loaded, as the others are.
    if (program.positions !== undefined) attributesAt(outer, program.positions.table);
    const { bytes, deviceBytes, expanded, bits } = deviceBytesOf(
      program,
      outer,
      this.#blocks,
      specs,
      experts,
    );
    this.bytes = bytes;
    this.deviceBytes = deviceBytes;
    this.expanded = expanded;
    this.bits = bits;
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
    return new DecoderWeights({ description, program }, await arrays.dense(), blocks);
  }

  /**
   * Copies everything to the device.
   *
   * @throws EsparseError 'store' naming what is missing, of another size, or damaged
   */
  async load(decoder: CudaDecoder, positions: number, signal: AbortSignal | undefined): Promise<void> {
    const rows = headRowsOf(this.#model.program);
    await loadOuter(decoder, this.#model, this.#outer, rows, positions);
    for (const [block, stored] of this.#blocks.entries()) {
      signal?.throwIfAborted();
      await loadBlock(decoder, this.#model, block, stored, rows, signal);
    }
  }
}
