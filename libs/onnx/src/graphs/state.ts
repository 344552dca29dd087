import { EsparseError } from '@esparse/errors';
import { widenReference } from '@esparse/kernels';
import { elementBytes, typeName, type TensorValue } from './tensor-session.ts';

/**
 * The values at a boundary of a graph as one vector of 32-bit words, in which calibration states lie in the store: how many
 * they are; of each type, axes, and sizes; then the elements of each, filled up to whole words. It says everything about
 * itself, so values may differ in size from sample to sample. What lies behind is nothing: samples of a shard are filled up
 * to the longest.
 */
export function packState(values: readonly TensorValue[]): Float32Array {
  const head = [values.length, ...values.flatMap(({ type, shape }) => [type, shape.length, ...shape])];
  const words = values.reduce((sum, { bytes }) => sum + wordsOf(bytes.byteLength), head.length);
  const packed = new Uint32Array(words);
  packed.set(head);
  const bytes = new Uint8Array(packed.buffer);
  let at = head.length;
  for (const { bytes: elements } of values) {
    bytes.set(elements, 4 * at);
    at += wordsOf(elements.byteLength);
  }
  return new Float32Array(packed.buffer);
}

/**
 * Takes the vector apart.
 * @param names of the values that it must have
 * @throws EsparseError 'store' where it is no such vector
 */
export function unpackState(state: Float32Array, names: readonly string[]): Map<string, TensorValue> {
  const words = new Uint32Array(state.buffer, state.byteOffset, state.length);
  const bytes = new Uint8Array(state.buffer, state.byteOffset, state.byteLength);
  let at = 0;
  const next = (): number => {
    const word = words[at++];
    if (word === undefined) throw damaged(names);
    return word;
  };
  if (next() !== names.length) throw damaged(names);
  const heads = names.map((name) => {
    const type = next();
    const axes = next();
    if (axes > MAX_AXES) throw damaged(names);
    return { name, type, shape: Array.from({ length: axes }, next) };
  });
  const values = new Map<string, TensorValue>();
  for (const { name, type, shape } of heads) {
    const each = elementBytes(type);
    const size = shape.reduce((product, axis) => product * axis, each ?? NaN);
    const words = wordsOf(size);
    if (!Number.isSafeInteger(size) || 4 * (at + words) > bytes.length) throw damaged(names);
    values.set(name, { type, shape, bytes: bytes.subarray(4 * at, 4 * at + size) });
    at += words;
  }
  return values;
}

/** The most axes that ONNX Runtime's tensors come with in practice. */
const MAX_AXES = 16;

function wordsOf(bytes: number): number {
  return Math.ceil(bytes / 4);
}

function damaged(names: readonly string[]): EsparseError {
  return new EsparseError(
    'store',
    `the states are not the values ${names.join(', ').slice(0, 200)} of the graph`,
    {
      hint: 'the store may be of another run or version, or damaged: try `esparse verify`',
    },
  );
}

/** A value as f32: what taps are made of. @throws EsparseError 'unsupported' for one of another type than f32, f64 or f16 */
export function floatsOf(name: string, { type, bytes }: TensorValue): Float32Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  const { buffer, byteOffset, byteLength } = aligned;
  if (type === 1) return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (type === 10) return widenReference('f16', new Uint16Array(buffer, byteOffset, byteLength / 2));
  if (type === 11) return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
  throw new EsparseError('unsupported', `value '${name}' is of ${typeName(type)}, and no input of a matrix`);
}
