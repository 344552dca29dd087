/** The element types that esparse computes with, by their safetensors names. */
export type TensorDtype = 'BF16' | 'F16' | 'F32';

/** Where a tensor's bytes are. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: TensorDtype;
  /** Row-major (the last dimension varies fastest), little-endian; `[]` is a scalar. */
  readonly shape: readonly number[];
  /** Name of the file within the checkpoint's directory. */
  readonly file: string;
  /** Byte offset in the file of the tensor's first byte. */
  readonly begin: number;
  /** Byte offset in the file after the tensor's last byte. */
  readonly end: number;
  /** Its rows are some of a larger matrix, and `begin` to `end` are all of that. @default the bytes are its own, row by row */
  readonly within?: RowsWithin;
  /**
   * The file has blocks of MXFP4, of which `dtype` is what they become: where the scales of the first row's blocks begin.
   * @default the file has the elements
   */
  readonly mxfp4?: { readonly file: string; readonly begin: number };
}

/** Which rows of a matrix, or columns of it, are the rows of a tensor. */
export interface RowsWithin {
  readonly first: number;
  /** From one to the next. */
  readonly step: number;
  /** The matrix is transposed, (the tensor's columns x `of`): its columns are the rows. */
  readonly transposed: boolean;
  /** Rows of the matrix or, where it is transposed, its columns. */
  readonly of: number;
}

/** Whether a file has the elements of a tensor as they are read: one after the other, and nothing between them. */
export function liesAsRead({ within, mxfp4 }: TensorInfo): boolean {
  return within === undefined && mxfp4 === undefined;
}

/** A tensor as a file lists it, of whatever type. */
export type StoredTensor = Omit<TensorInfo, 'dtype'> & { readonly dtype: string };

/** Bits per element of the types of the safetensors format. A type that is not here is not checked for its size. */
const BITS: ReadonlyMap<string, number> = new Map([
  ['BOOL', 8],
  ['U8', 8],
  ['I8', 8],
  ['F8_E5M2', 8],
  ['F8_E4M3', 8],
  ['F8_E8M0', 8],
  ['U16', 16],
  ['I16', 16],
  ['F16', 16],
  ['BF16', 16],
  ['U32', 32],
  ['I32', 32],
  ['F32', 32],
  ['U64', 64],
  ['I64', 64],
  ['F64', 64],
  ['C64', 64],
]);

/** Bits per element of a safetensors type, `undefined` for one that this version does not know. */
export function bitsOf(dtype: string): number | undefined {
  return BITS.get(dtype);
}

/** Bytes per element. */
export function bytesPerElement(dtype: TensorDtype): 2 | 4 {
  return dtype === 'F32' ? 4 : 2;
}

/** Whether a stored tensor is of a type that esparse computes with. */
export function isReadable(tensor: StoredTensor): tensor is TensorInfo {
  return tensor.dtype === 'BF16' || tensor.dtype === 'F16' || tensor.dtype === 'F32';
}

/** Elements of a shape, `undefined` where that is more than 2^53 - 1. */
export function elementCount(shape: readonly number[]): number | undefined {
  // A zero anywhere makes the whole empty, however large the rest.
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}
