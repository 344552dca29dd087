import { EsparseError } from '@esparse/errors';
import type { Pattern } from '../pattern.ts';
import type { EncodedArray, EncodedData } from './encoding.ts';

/** The size of a linear, and how many weights of a row survive. */
export interface SurvivorShape {
  readonly rows: number;
  readonly cols: number;
  readonly pattern: Pattern;
  /** Survivors of a row: cols / group * keep. */
  readonly each: number;
}

/** What survives of a linear, row after row, in the order in which the kernels walk it. */
export interface SurvivorRows extends SurvivorShape {
  /** (rows, each): the weights. */
  readonly values: Float32Array;
  /** (rows, each): where they stand in the shuffled order, from 0 to cols - 1, ascending in each row: `keep` of every `group`. */
  readonly positions: Int32Array;
}

/** See `defineEncoding`. */
export interface EncodingDefinition {
  /**
   * Lower-case words joined by dashes. Stores name the encoding `x-` and this, for ever: another layout is another name, such
   * as `halves-v2`.
   */
  readonly name: string;
  /** What its weights are, for people, in a word: int3. */
  readonly values: string;
  /** The arrays that a linear of this size has: sizes are compared with them before bytes are trusted. */
  arrays(shape: SurvivorShape): Readonly<Record<string, EncodedArray>>;
  /**
   * The arrays of a linear. The weights are rounded here, if at all.
   *
   * @throws EsparseError 'numeric' for weights that it has no bits for
   */
  encode(survivors: SurvivorRows): EncodedData;
  /**
   * The survivors again, as they were rounded: what every reader computes with. The arrays come from a store: they have the
   * sizes of `arrays`, and may hold anything.
   *
   * @throws EsparseError 'store' where no `encode` writes such arrays
   */
  decode(shape: SurvivorShape, data: EncodedData): Pick<SurvivorRows, 'values' | 'positions'>;
}

/** An encoding that does not come with esparse. */
export interface OwnEncoding extends EncodingDefinition {
  /** As stores name it. */
  readonly stored: OwnName;
}

/** The names of encodings that do not come with esparse. */
export type OwnName = `x-${string}`;

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAX_NAME = 60;
const MAX_VALUES = 20;

/**
 * Defines how survivors lie in a store: `prune --encoding` writes them so, and every command that is given the same reads them.
 * The order of the inputs is stored beside its arrays.
 *
 * @throws EsparseError 'usage' for a name that no encoding may have
 */
export function defineEncoding(definition: EncodingDefinition): OwnEncoding {
  const { name, values } = definition;
  if (typeof name !== 'string' || !NAME.test(name) || name.length > MAX_NAME) {
    throw new EsparseError('usage', `${JSON.stringify(name)} is no name for an encoding`, {
      hint: `lower-case words joined by dashes, at most ${MAX_NAME} letters`,
    });
  }
  if (typeof values !== 'string' || values === '' || values.length > MAX_VALUES) {
    throw new EsparseError('usage', `encoding ${name} does not say in a word what its values are`, {
      hint: `values: 'int3', at most ${MAX_VALUES} letters`,
    });
  }
  return { ...definition, stored: `x-${name}` };
}
