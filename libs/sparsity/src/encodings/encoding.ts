import type { LinearWeights } from '@esparse/kernels';
import { z } from 'zod';
import type { Pattern } from '../pattern.ts';

/** A linear as a store has it where it is not a plain matrix; its encoding knows what else it has. */
export interface EncodedLinear {
  /** The name of its encoding, as the store has it. */
  readonly encoding: string;
  readonly rows: number;
  readonly cols: number;
  /** 1:1 where nothing is pruned. */
  readonly pattern: Pattern;
}

/** What the group of an encoded linear says beside its arrays. */
export interface EncodingAttributes {
  readonly encoding: string;
  readonly rows: number;
  readonly cols: number;
  readonly keep: number;
  readonly group: number;
}

/** The members that all encodings have. */
export const commonAttributes = {
  rows: z.number().int().positive(),
  cols: z.number().int().positive(),
  keep: z.number().int().positive(),
  group: z.number().int().positive(),
  tileRows: z.literal(16),
};

/** An array of an encoded linear. */
export interface EncodedArray {
  readonly type: 'uint8' | 'uint16' | 'int32';
  readonly shape: readonly number[];
  /** What 16-bit words are: stored with them. */
  readonly dtype?: 'bf16' | 'f16';
}

/** The elements of arrays, by their names. */
export type EncodedData = Readonly<Record<string, Uint8Array | Uint16Array | Int32Array>>;

/** The order of a linear's inputs: all encodings have it under this name, where inputs are shuffled. */
export const PERMUTATION = 'permutation';

/**
 * A way in which a linear lies in a store: everything that anybody does with it beside pruning. One folder or file, and its
 * line in `index.ts`.
 */
export interface Encoding<Linear extends EncodedLinear, Attributes extends EncodingAttributes> {
  /** As stores name it: several where one program reads them alike. */
  readonly names: readonly string[];
  /** What its groups say: a reader checks it before it is used. Those of `commonAttributes` are among them. */
  readonly attributes: z.ZodType<Attributes>;
  /** What a linear's group says of it. */
  describe(linear: Linear): Attributes;
  /**
   * The arrays that a linear of these attributes has: sizes are compared with them before bytes are trusted.
   *
   * @throws EsparseError 'store' for attributes that no linear has
   */
  arrays(attributes: Attributes): Readonly<Record<string, EncodedArray>>;
  /** A linear of arrays that were read or mapped, and its arrays. */
  linear(attributes: Attributes, data: EncodedData): Linear;
  data(linear: Linear): EncodedData;
  /** The type that has all of its weights. */
  dtype(attributes: Attributes): 'bf16' | 'f16' | 'f32';
  /** What its weights are, for people: bf16, int4. */
  values(attributes: Attributes): string;
  /**
   * The dense weights (rows, cols) in that type, in the original order of the channels, pruned ones zero.
   *
   * @throws EsparseError 'store' where its arrays contradict each other
   */
  unpack(linear: Linear): Promise<Uint16Array | Float32Array>;
  /** The same as f32. */
  unpackToF32(linear: Linear): Promise<Float32Array>;
  /** Which weights are kept, (rows, cols) in the original order: 1 or 0; undefined where all are. @throws as `unpack` */
  kept(linear: Linear): Promise<Uint8Array | undefined>;
  /** What the kernels multiply by. */
  weights(linear: Linear): LinearWeights;
}
