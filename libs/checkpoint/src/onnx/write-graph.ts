import { EsparseError } from '@esparse/errors';
import { ELEMENT, encodeModel } from './messages.ts';

/** An attribute: whole numbers, a word, an f32, or a graph. */
export type AttributeInput =
  number | readonly number[] | string | { readonly float: number } | { readonly graph: GraphInput };

export interface NodeInput {
  readonly op: string;
  /** @default that of its first output */
  readonly name?: string;
  /** @default the standard one */
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeInput>>;
}

export interface ValueInput {
  readonly name: string;
  /** Of TensorProto.DataType. @default FLOAT */
  readonly type?: number;
  /** A word is a size that the data give. */
  readonly shape: readonly (number | string)[];
}

export interface ConstantInput {
  readonly shape: readonly number[];
  readonly data: Float32Array | Uint16Array | BigInt64Array;
  /** Where the elements are written, in a file beside the graph. @default in the graph */
  readonly external?: { readonly location: string; readonly offset: number };
}

export interface GraphInput {
  readonly inputs?: readonly ValueInput[];
  readonly outputs: readonly (string | ValueInput)[];
  readonly constants?: Readonly<Record<string, ConstantInput>>;
  readonly nodes: readonly NodeInput[];
}

/** Versions of the standard operators and of the file that go together (onnx/docs/Versioning.md). */
const OPSET = 17;
const IR_VERSION = 8;

/**
 * The file of a small graph, told in a few words.
 * @example
 * graphFile({
 *   inputs: [{ name: 'x', shape: ['batch', 8] }],
 *   constants: { w: { shape: [8, 4], data: new Float32Array(32) } },
 *   nodes: [{ op: 'MatMul', inputs: ['x', 'w'], outputs: ['y'] }],
 *   outputs: ['y'],
 * });
 */
export function graphFile(graph: GraphInput, opset = OPSET): Uint8Array {
  return encodeModel({
    ir_version: IR_VERSION,
    producer_name: 'esparse',
    opset_import: [{ domain: '', version: opset }],
    graph: graphMessage(graph),
  });
}

function graphMessage({ inputs = [], outputs, constants = {}, nodes }: GraphInput): object {
  return {
    name: 'graph',
    input: inputs.map(valueMessage),
    output: outputs.map((output) => (typeof output === 'string' ? { name: output } : valueMessage(output))),
    initializer: Object.entries(constants).map(([name, constant]) => tensorMessage(name, constant)),
    node: nodes.map(({ op, name, domain, inputs: read, outputs: made, attributes = {} }) => ({
      op_type: op,
      name: name ?? made[0],
      ...(domain !== undefined && { domain }),
      input: read,
      output: made,
      attribute: Object.entries(attributes).map(([key, value]) => attributeMessage(key, value)),
    })),
  };
}

function valueMessage({ name, type = ELEMENT.FLOAT, shape }: ValueInput): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
}

function tensorMessage(name: string, { shape, data, external }: ConstantInput): object {
  const type =
    data instanceof BigInt64Array
      ? ELEMENT.INT64
      : data instanceof Uint16Array
        ? ELEMENT.FLOAT16
        : ELEMENT.FLOAT;
  const head = { name, dims: shape, data_type: type };
  if (external === undefined) {
    return { ...head, raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  }
  const place = { location: external.location, offset: external.offset, length: data.byteLength };
  return {
    ...head,
    data_location: 1,
    external_data: Object.entries(place).map(([key, value]) => ({ key, value: String(value) })),
  };
}

/** AttributeProto.AttributeType: FLOAT = 1, INT = 2, STRING = 3, GRAPH = 5, INTS = 7. */
function attributeMessage(name: string, value: AttributeInput): object {
  if (typeof value === 'number') return { name, type: 2, i: value };
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) };
  if ('float' in value) return { name, type: 1, f: value.float };
  if ('graph' in value) return { name, type: 5, g: graphMessage(value.graph) };
  if (value.every(Number.isSafeInteger)) return { name, type: 7, ints: value };
  throw new EsparseError('internal', `attribute ${name} is of no whole numbers`);
}
