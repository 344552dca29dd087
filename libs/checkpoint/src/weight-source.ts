import { free, type PackedWeights } from '@esparse/kernels';
import type { Checkpoint } from './checkpoint.ts';
import { tensorToF32 } from './convert.ts';

/** A pruned matrix in the layout of `pack` of @esparse/kernels, its values in bf16. */
export interface PackedMatrix extends Pick<
  PackedWeights,
  'rows' | 'cols' | 'keep' | 'group' | 'values' | 'indices'
> {
  /** (cols): the channel at each position, each once. */
  readonly permutation: Int32Array;
}

/** What a model reads its weights from, by Hugging Face name, as f32: a checkpoint or a store. */
export interface WeightSource {
  /** Whether there is a tensor of that name. */
  has(name: string): boolean;
  /** Throws where there is none. */
  shape(name: string): readonly number[];
  /** All of it, row-major. */
  read(name: string, signal?: AbortSignal): Promise<Float32Array>;
  /** The same as its bits, where it is stored in bf16 and nothing must be widened. @default none is had as bits */
  readonly bits?: (name: string, signal?: AbortSignal) => Promise<Uint16Array | undefined>;
  /** The same as it is packed, in memory that is asked for, and given back by whoever reads it. @default none is packed */
  readonly packed?: (
    name: string,
    signal?: AbortSignal,
    memory?: (bytes: number) => Uint8Array,
  ) => Promise<PackedMatrix | undefined>;
  /** Some rows of a 2-D tensor, in the order given: (rows.length, columns). */
  readRows(name: string, rows: Uint32Array, signal?: AbortSignal): Promise<Float32Array>;
  /** The same as their bits, where they are stored in bf16. @default none are had as bits */
  readonly rowBits?: (
    name: string,
    rows: Uint32Array,
    signal?: AbortSignal,
  ) => Promise<Uint16Array | undefined>;
  /** Rows `begin .. end - 1` of the first dimension. */
  readRowRange(name: string, begin: number, end: number, signal?: AbortSignal): Promise<Float32Array>;
}

/**
 * A checkpoint as a source of weights, widened to f32 at each read. `has` is true for a tensor of a type that cannot
 * be read, too: to use it is an error, where to pass it over (an optional bias, say) would be a wrong model.
 */
export function checkpointWeights(checkpoint: Checkpoint): WeightSource {
  const toF32 = async (name: string, bytes: Uint8Array) => {
    const { dtype } = checkpoint.info(name);
    const values = await tensorToF32(dtype, bytes);
    // F32 is viewed; the others have been widened into memory of their own.
    if (dtype !== 'F32') free(bytes);
    return values;
  };
  return {
    has: (name) => checkpoint.has(name),
    shape: (name) => checkpoint.info(name).shape,
    read: async (name, signal) => toF32(name, await checkpoint.read(name, signal)),
    bits: async (name, signal) => {
      if (checkpoint.info(name).dtype !== 'BF16') return undefined;
      return bitsOf(await checkpoint.read(name, signal));
    },
    readRows: async (name, rows, signal) => toF32(name, await checkpoint.readRows(name, rows, signal)),
    rowBits: async (name, rows, signal) =>
      checkpoint.info(name).dtype === 'BF16'
        ? bitsOf(await checkpoint.readRows(name, rows, signal))
        : undefined,
    readRowRange: async (name, begin, end, signal) =>
      toF32(name, await checkpoint.readRowRange(name, begin, end, signal)),
  };
}

function bitsOf({ buffer, byteOffset, byteLength }: Uint8Array): Uint16Array {
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}
