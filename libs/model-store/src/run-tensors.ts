import { bytesOf, type TensorDtype, type TensorInfo } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { QuantizedBits } from '@esparse/kernels';
import type { PrunableModel } from '@esparse/model';
import {
  encodingOf,
  fitsBlocks,
  integerBlocks,
  keepsEverything,
  QUANTIZED,
  type IntegerBlocks,
  type Pattern,
  type QuantizedLinear,
} from '@esparse/sparsity';
import type { CommittedGroup, Run } from '@esparse/store';
import { freeLinear, linearAttributesOf, readLinear } from './linears.ts';
import { densePath } from './paths.ts';
import { placesIn, type Place } from './places.ts';

/** The tensors of a run by their names in the checkpoint, in the types and bits that are stored. */
export interface RunTensors {
  /** @throws EsparseError 'store' where the model has no such tensor */
  info(name: string): Promise<Pick<TensorInfo, 'name' | 'dtype' | 'shape'>>;
  /** Its bytes, row-major and little-endian, pruned weights zero, in the original order of channels; f32 where it is quantized. */
  read(name: string, signal?: AbortSignal): Promise<Uint8Array>;
  /** Which weights of a matrix are kept: 1 where kept, 0 where pruned; undefined where the tensor is dense. */
  mask(name: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** The order of a matrix's channels in which its groups are consecutive; undefined where the tensor is dense. */
  order(name: string, signal?: AbortSignal): Promise<ChannelOrder | undefined>;
  /**
   * A matrix as whole numbers with a scale for each 32 elements of a row; undefined where these do not hold it exactly. What
   * is read to find that out are its scales and its order, no weights.
   * Absent where tensors are read as others than those that are stored.
   */
  blocks?(name: string, signal?: AbortSignal): Promise<StoredBlocks | undefined>;
}

/** A matrix that is stored as integers of which 32 in a row share a scale. */
export interface StoredBlocks {
  readonly bits: QuantizedBits;
  readonly read: (signal?: AbortSignal) => Promise<IntegerBlocks>;
}

/** The channels of a matrix in the order in which so many consecutive ones are a group. */
export interface ChannelOrder {
  /** (cols): p[i] is the original channel at position i. */
  readonly permutation: Int32Array;
  readonly pattern: Pattern;
}

/** By the names that stores give them. */
const DTYPES: Readonly<Record<string, TensorDtype>> = { bf16: 'BF16', f16: 'F16', f32: 'F32' };

/** The tensors of a run of a store; each is read when it is asked for. */
export function runTensors(run: Run, description: PrunableModel): RunTensors {
  const { placeOf, groupOf } = placesIn(run, description);
  const packed = async (name: string, signal?: AbortSignal) => {
    const place = placeOf(name);
    const linear = packedName(await groupOf(place), place, name);
    return linear === undefined ? undefined : readLinear(await groupOf(place), linear, signal);
  };
  return {
    async mask(name, signal) {
      const linear = await packed(name, signal);
      if (linear === undefined) return undefined;
      const kept = await encodingOf(linear).kept(linear);
      freeLinear(linear);
      return kept;
    },
    async order(name, signal) {
      const place = placeOf(name);
      const group = await groupOf(place);
      const linear = packedName(group, place, name);
      if (linear === undefined) return undefined;
      const { keep, group: size } = linearAttributesOf(group, linear)!;
      if (keepsEverything({ keep, group: size })) return undefined;
      const { data: permutation } = await group.readAs(`${linear}/permutation`, 'int32', signal);
      return { permutation, pattern: { keep, group: size } };
    },
    async blocks(name, signal) {
      const place = placeOf(name);
      const group = await groupOf(place);
      const path = packedName(group, place, name);
      const attributes = path === undefined ? undefined : linearAttributesOf(group, path);
      if (attributes?.encoding !== QUANTIZED) return undefined;
      const { bits, cols, span, keep, group: size } = attributes;
      const pattern = { keep, group: size };
      const { data: scales } = await group.readAs(`${path}/scales`, 'uint16', signal);
      const permutation = (await this.order(name, signal))?.permutation;
      if (!fitsBlocks({ cols, span, pattern, scales, permutation })) return undefined;
      const read = async (under?: AbortSignal) => {
        const linear = (await packed(name, under)) as QuantizedLinear;
        const blocks = integerBlocks(linear);
        freeLinear(linear);
        return blocks;
      };
      return { bits, read };
    },
    async info(name) {
      const place = placeOf(name);
      const group = await groupOf(place);
      const linear = packedName(group, place, name);
      const stored =
        linear === undefined
          ? group.arrays.get(pathOf(place, name))?.attributes.dtype
          : dtypeIn(group, linear);
      const dtype = DTYPES[String(stored)];
      if (dtype !== undefined) return { name, dtype, shape: place.shape };
      throw new EsparseError('store', `tensor ${name} has a dtype that this version does not know`, {
        hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
        context: { tensor: name },
      });
    },
    async read(name, signal) {
      const linear = await packed(name, signal);
      if (linear !== undefined) {
        const dense = await encodingOf(linear).unpack(linear);
        freeLinear(linear);
        return bytesOf(dense);
      }
      const place = placeOf(name);
      const { data } = await (await groupOf(place)).read(pathOf(place, name), signal);
      return bytesOf(data);
    },
  };
}

/** The type that has all weights of a linear. */
function dtypeIn(group: CommittedGroup, linear: string): string {
  const attributes = linearAttributesOf(group, linear)!;
  return encodingOf(attributes).dtype(attributes);
}

/** The group of a tensor that is packed or quantized, undefined where it is a plain array. */
function packedName(group: CommittedGroup, place: Place, name: string): string | undefined {
  const linear = place.kind === 'block' ? place.linear?.name : undefined;
  return [linear, pathOf(place, name)].find(
    (path) => path !== undefined && linearAttributesOf(group, path) !== undefined,
  );
}

function pathOf(place: Place, name: string): string {
  return place.kind === 'outer' ? name : densePath(name);
}
