import { EsparseError } from '@esparse/errors';
import { elementCount } from '../tensor-info.ts';
import {
  attributeOf,
  ELEMENT,
  graphsIn,
  wholeOf,
  type GraphMessage,
  type TensorMessage,
} from './messages.ts';

/** A constant of a graph, and the name of its value: an initializer, or what a node Constant gives. */
export interface NamedTensor {
  readonly value: string;
  readonly message: TensorMessage;
}

/**
 * The constants of a graph and of the graphs inside it, in the order in which they stand in the file. Names may be used in
 * several of those, so a tensor is known by its number in this order.
 */
export function tensorsOf(graph: GraphMessage): NamedTensor[] {
  const found = graph.initializer.map((message): NamedTensor => ({ value: message.name, message }));
  for (const node of graph.node) {
    const constant = node.op_type === 'Constant' ? attributeOf(node, 'value')?.t : undefined;
    if (constant) found.push({ value: node.output[0] ?? '', message: constant });
    for (const inside of graphsIn(node)) found.push(...tensorsOf(inside));
  }
  return found;
}

/** @throws EsparseError 'checkpoint' where the numbers are none of a shape */
export function shapeOf({ dims, name }: TensorMessage): number[] {
  const shape = dims.map(wholeOf);
  if (shape.every((size) => Number.isSafeInteger(size) && size >= 0) && elementCount(shape) !== undefined) {
    return shape;
  }
  throw new EsparseError('checkpoint', `tensor '${name}' of the graph has the shape [${shape.join()}]`);
}

/** Elements of a tensor that matrices lie in: f32, or the bits of f16. */
export type Elements = Float32Array | Uint16Array;

/** Where a tensor keeps its elements. @throws EsparseError 'checkpoint' for an entry that is no place in a file beside the graph */
export function externalOf({
  name,
  external_data: entries,
  data_location: location,
}: TensorMessage):
  { readonly file: string; readonly offset: number; readonly length: number | undefined } | undefined {
  if (location !== 1) return undefined;
  const of = (key: string) => entries.find((entry) => entry.key === key)?.value;
  const [file, offset, length] = [of('location') ?? '', Number(of('offset') ?? 0), of('length')];
  // No folder, no drive, no parent: what lies beside the graph, and nothing else.
  const isPlain = /^[^/\\:\p{Cc}]{1,255}$/u.test(file) && file !== '.' && file !== '..';
  if (isPlain && isCount(offset) && (length === undefined || isCount(Number(length)))) {
    return { file, offset, length: length === undefined ? undefined : Number(length) };
  }
  throw new EsparseError(
    'checkpoint',
    `tensor '${name}' lies outside the graph's folder: ${JSON.stringify(file.slice(0, 100))} at ${offset}`,
    { hint: 'external data are read from plain files beside the .onnx file only', context: { tensor: name } },
  );
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * The elements of an f32 or f16 tensor that are in the file itself.
 * @throws EsparseError 'checkpoint' where they are more or fewer than its shape says
 */
export function elementsIn(message: TensorMessage): Elements {
  const { name, data_type: type, raw_data: raw, float_data: floats, int32_data: words } = message;
  const count = elementCount(shapeOf(message)) ?? 0;
  const isF16 = type === ELEMENT.FLOAT16;
  const elements =
    raw.length > 0 || count === 0
      ? elementsOfBytes(raw, isF16)
      : isF16
        ? Uint16Array.from(words)
        : Float32Array.from(floats);
  return requireCount(name, elements, count);
}

/** The same of bytes from another file. */
export function elementsOf(message: TensorMessage, bytes: Uint8Array): Elements {
  const elements = elementsOfBytes(bytes, message.data_type === ELEMENT.FLOAT16);
  return requireCount(message.name, elements, elementCount(shapeOf(message)) ?? 0);
}

function elementsOfBytes(bytes: Uint8Array, isF16: boolean): Elements {
  // In memory of its own: aligned, and a part of what it lay in would hold the whole.
  const { buffer, byteLength } = new Uint8Array(bytes);
  return isF16
    ? new Uint16Array(buffer, 0, Math.floor(byteLength / 2))
    : new Float32Array(buffer, 0, Math.floor(byteLength / 4));
}

function requireCount(name: string, elements: Elements, count: number): Elements {
  if (elements.length === count) return elements;
  throw new EsparseError(
    'checkpoint',
    `tensor '${name}' of the graph has ${elements.length} elements, and its shape ${count}`,
    { hint: 'the file is cut short or damaged: copy it again', context: { tensor: name } },
  );
}

/** Puts elements into a tensor, in place of those it has. */
export function setElements(message: TensorMessage, { buffer, byteOffset, byteLength }: Elements): void {
  message.raw_data = new Uint8Array(buffer, byteOffset, byteLength);
  for (const field of ['float_data', 'int32_data', 'external_data'] as const) {
    if (Object.hasOwn(message, field)) message[field] = [];
  }
  if (Object.hasOwn(message, 'data_location')) message.data_location = 0;
}

/** Says that the elements of a tensor lie in a file beside the graph. */
export function setExternal(
  message: TensorMessage,
  place: { readonly file: string; readonly offset: number; readonly length: number },
): void {
  emptyElements(message);
  const { file: location, offset, length } = place;
  message.external_data = Object.entries({ location, offset, length }).map(([key, value]) => ({
    key,
    value: String(value),
  }));
  message.data_location = 1;
}

/** Takes the elements out of a tensor: its shape and type stay. */
export function emptyElements(message: TensorMessage): void {
  setElements(message, new Float32Array(0));
}
