import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import { MAX_DIMENSION } from '@esparse/kernels';
import { isPermutation } from '../permutation.ts';
import { formatPattern, isPattern, requireDivisible, type Pattern } from '../pattern.ts';
import { survives } from '../quantization/round-linear.ts';
import type { Survivors } from '../quantization/integer-weights.ts';
import type { OwnEncoding, OwnName, SurvivorRows, SurvivorShape } from './define-encoding.ts';
import { PERMUTATION, type EncodedArray, type EncodedData, type EncodedLinear } from './encoding.ts';

/** The array that says that a linear is encoded at all. */
const VALUES = 'values';
const ELEMENTS = { uint8: 'Uint8Array', uint16: 'Uint16Array', int32: 'Int32Array' } as const;
const ARRAY_NAME = /^[a-z][a-zA-Z0-9]*$/;
const MAX_ARRAYS = 16;
/** Elements of an array of a store, at most. */
const MAX_ELEMENTS = 2 ** 40;

/** A linear in an encoding that does not come with esparse. */
export interface OwnLinear extends EncodedLinear {
  readonly encoding: OwnName;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  /** What its encoding has made, by the names of its arrays. */
  readonly arrays: EncodedData;
}

/** The shape of a linear. @throws EsparseError for one that no store holds */
export function survivorShape(rows: number, cols: number, pattern: Pattern): SurvivorShape {
  if (!isPattern(pattern)) throw new EsparseError('store', `${formatPattern(pattern)} is no pattern`);
  for (const size of [rows, cols]) {
    if (Number.isInteger(size) && size >= 1 && size <= MAX_DIMENSION) continue;
    throw new EsparseError('store', `a linear of ${rows} x ${cols}: sizes go from 1 to ${MAX_DIMENSION}`);
  }
  requireDivisible('linear', cols, pattern);
  return { rows, cols, pattern, each: (cols / pattern.group) * pattern.keep };
}

/** The arrays of an encoding for a linear of this size. @throws EsparseError 'usage' where it does not say them soundly */
export function ownArrays(
  encoding: OwnEncoding,
  shape: SurvivorShape,
): Readonly<Record<string, EncodedArray>> {
  const arrays = encoding.arrays(shape);
  const names = Object.keys(arrays);
  const refused = (why: string) => new EsparseError('usage', `encoding ${encoding.name}: ${why}`);
  if (!names.includes(VALUES)) throw refused(`one of its arrays must be called ${VALUES}`);
  if (names.length > MAX_ARRAYS) throw refused(`${names.length} arrays, at most ${MAX_ARRAYS} were expected`);
  for (const [name, { type, shape: sizes, dtype }] of Object.entries(arrays)) {
    if (!ARRAY_NAME.test(name) || name === PERMUTATION) throw refused(`no array may be called ${name}`);
    if (!Object.hasOwn(ELEMENTS, type)) throw refused(`${name} is of uint8, uint16 or int32, not ${type}`);
    if (dtype !== undefined && type !== 'uint16') throw refused(`${name} has ${dtype}, which are uint16`);
    const sound = Array.isArray(sizes) && sizes.length >= 1 && sizes.length <= 8;
    if (
      sound &&
      sizes.every((size) => Number.isInteger(size) && size >= 1) &&
      elements(sizes) <= MAX_ELEMENTS
    )
      continue;
    throw refused(`${name} has the shape ${JSON.stringify(sizes)}`);
  }
  return arrays;
}

/**
 * Stores the survivors of a linear in an encoding of one's own.
 *
 * @param weights (rows, cols), in the original order of the channels
 * @throws EsparseError 'numeric' for a survivor that is not finite, 'usage' where the encoding gives other arrays than it says
 */
export function encodeLinear(
  encoding: OwnEncoding,
  { weights, rows, cols }: { readonly weights: Float32Array; readonly rows: number; readonly cols: number },
  { pattern, permutation, mask }: Survivors,
): OwnLinear {
  const shape = survivorShape(rows, cols, pattern);
  const { each } = shape;
  const values = new Float32Array(rows * each);
  const positions = new Int32Array(rows * each);
  for (let r = 0; r < rows; r++) {
    let n = r * each;
    for (let i = 0; i < cols; i++) {
      if (!survives(mask, cols, r, i)) continue;
      const weight = weights[r * cols + permutation[i]!]!;
      if (!Number.isFinite(weight)) {
        throw new EsparseError('numeric', `the weight of row ${r}, channel ${permutation[i]!} is not finite`);
      }
      positions[n] = i;
      values[n++] = weight;
    }
  }
  const made = encoding.encode({ ...shape, values, positions });
  const arrays = Object.entries(ownArrays(encoding, shape)).map(([name, { type, shape: sizes }]) => {
    const array = (made as Partial<EncodedData>)[name];
    // By name: an array of another realm is one, too.
    if (array?.constructor.name === ELEMENTS[type] && array.length === elements(sizes))
      return [name, array.slice()] as const;
    const found = array === undefined ? 'nothing' : `${array.length} elements of ${array.constructor.name}`;
    throw new EsparseError(
      'usage',
      `encoding ${encoding.name}: it made ${found} for ${name}, expected ${elements(sizes)} of ${ELEMENTS[type]}`,
    );
  });
  return {
    ...{ encoding: encoding.stored, rows, cols, pattern, permutation: permutation.slice() },
    arrays: Object.fromEntries(arrays),
  };
}

/** What survives of a linear of a store, checked. @throws EsparseError 'store' where it contradicts itself */
export function decodeLinear(encoding: OwnEncoding, linear: OwnLinear): SurvivorRows {
  const { rows, cols, pattern, permutation, arrays } = linear;
  const shape = survivorShape(rows, cols, pattern);
  const damaged = (why: string, cause?: unknown) =>
    new EsparseError('store', `linear in encoding ${encoding.stored}: ${why}`, {
      hint: 'the store is damaged, or was written by another encoding of this name',
      cause,
    });
  if (!isPermutation(permutation, cols))
    throw damaged(`its permutation does not name each of ${cols} channels once`);
  for (const [name, { shape: sizes }] of Object.entries(ownArrays(encoding, shape))) {
    const found = arrays[name]?.length ?? 0;
    if (found !== elements(sizes))
      throw damaged(`${name} has ${found} elements, expected ${elements(sizes)}`);
  }
  const { values, positions } = decoded(encoding, shape, arrays, damaged);
  const { each } = shape;
  if (values.length !== rows * each || positions.length !== rows * each) {
    throw damaged(`${values.length} values and ${positions.length} positions of ${rows} rows of ${each}`);
  }
  for (let at = 0; at < values.length; at++) {
    const [row, n] = [Math.floor(at / each), at % each];
    if (!Number.isFinite(values[at]!)) throw damaged(`survivor ${n} of row ${row} is ${values[at]!}`);
    const group = Math.floor(n / pattern.keep);
    const [position, before] = [positions[at]!, n % pattern.keep === 0 ? -1 : positions[at - 1]!];
    if (Math.floor(position / pattern.group) === group && position > before) continue;
    throw damaged(`the positions of row ${row}, group ${group} are no choice of ${formatPattern(pattern)}`);
  }
  return { ...shape, values, positions };
}

/** An error of the encoding's own code is one of the store: its bytes are what it met. */
function decoded(
  encoding: OwnEncoding,
  shape: SurvivorShape,
  arrays: EncodedData,
  damaged: (why: string, cause: unknown) => EsparseError,
): Pick<SurvivorRows, 'values' | 'positions'> {
  try {
    return encoding.decode(shape, arrays);
  } catch (error) {
    if (isEsparseError(error)) throw error;
    throw damaged(messageOf(error), error);
  }
}

function elements(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}
