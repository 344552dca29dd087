import { EsparseError } from '@esparse/errors';
import { elementCount } from '../tensor-info.ts';

/** An array of any type, as NumPy and ONNX have it. */
export interface ArrayValue {
  /** Of TensorProto.DataType. */
  readonly type: number;
  readonly shape: readonly number[];
  /** Row-major, little-endian. */
  readonly bytes: Uint8Array;
}

/** NumPy's names of types: the number that ONNX has for each, and the bytes of an element. */
const TYPES = new Map<string, readonly [type: number, bytes: number]>([
  ['<f4', [1, 4]],
  ['|u1', [2, 1]],
  ['|i1', [3, 1]],
  ['<u2', [4, 2]],
  ['<i2', [5, 2]],
  ['<i4', [6, 4]],
  ['<i8', [7, 8]],
  ['|b1', [9, 1]],
  ['<f2', [10, 2]],
  ['<f8', [11, 8]],
  ['<u4', [12, 4]],
  ['<u8', [13, 8]],
]);

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/**
 * Reads a .npy file, of any version of the format.
 * @param name of the file, for messages
 * @throws EsparseError 'text' for what is no such file, is cut short, or has elements that are no numbers
 */
export function readNpy(file: Uint8Array, name: string): ArrayValue {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const refuse = (why: string): never => {
    throw new EsparseError('text', `${name}: ${why}`, {
      hint: 'numpy.save and numpy.savez write what is read here',
    });
  };
  if (bytes.length < 10 || !bytes.subarray(0, 6).equals(MAGIC)) refuse('it is no .npy file');
  const wide = bytes[6]! >= 2;
  const length = wide ? (bytes.length < 12 ? 0 : bytes.readUInt32LE(8)) : bytes.readUInt16LE(8);
  const begin = (wide ? 12 : 10) + length;
  if (begin > bytes.length) refuse('it is cut short');
  const header = bytes.toString('latin1', wide ? 12 : 10, begin);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sizes = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || fortran === undefined || sizes === undefined)
    return refuse('its header cannot be read');
  const found =
    TYPES.get(descr) ??
    refuse(`its elements are of NumPy's type ${descr}: numbers in little-endian order are read`);
  const shape = sizes
    .split(',')
    .map((size) => size.trim())
    .filter((size) => size !== '')
    .map(Number);
  const count = elementCount(shape) ?? refuse('it is too large');
  const [type, each] = found;
  if (bytes.length - begin < count * each) refuse(`it is cut short: ${count} elements were expected`);
  const elements = bytes.subarray(begin, begin + count * each);
  // In memory of its own, at an address that arrays of any type accept.
  const rowMajor =
    fortran === 'True' && shape.length > 1
      ? fromColumnMajor(elements, shape, each)
      : new Uint8Array(elements);
  return { type, shape, bytes: rowMajor };
}

/** Elements whose first axis varies fastest, in the other order. */
function fromColumnMajor(bytes: Uint8Array, shape: readonly number[], each: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  const strides = shape.map((_, axis) =>
    shape.slice(0, axis).reduce((product, size) => product * size, each),
  );
  const index = new Array<number>(shape.length).fill(0);
  for (let to = 0; to < out.length; to += each) {
    const from = index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
    out.set(bytes.subarray(from, from + each), to);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis]! + 1;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return out;
}

/** A .npy file of an array. */
export function writeNpy({ type, shape, bytes }: ArrayValue): Uint8Array {
  const descr = [...TYPES].find(([, [number]]) => number === type)?.[0];
  if (descr === undefined) throw new EsparseError('internal', `arrays of type ${type} are not written`);
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  // NumPy aligns what follows.
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  MAGIC.copy(head);
  head[6] = 1;
  head.writeUInt16LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'latin1'), bytes]);
}
