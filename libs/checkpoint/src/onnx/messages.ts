import { EsparseError, messageOf } from '@esparse/errors';
import { modelProto } from './schema.ts';

/** The messages of an ONNX file as protobufjs gives them: fields that a file does not set read as empty or 0. */

/** A whole number of 64 bits. */
export type Whole = number | { toNumber(): number };

/** Names of the types of elements that are computed with here, by their numbers in TensorProto.DataType. */
export const ELEMENT = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

export interface TensorMessage {
  name: string;
  dims: Whole[];
  data_type: number;
  raw_data: Uint8Array;
  float_data: number[];
  int32_data: number[];
  int64_data: Whole[];
  external_data: { key: string; value: string }[];
  /** 1 where the elements lie in another file. */
  data_location: number;
}

export interface AttributeMessage {
  name: string;
  type: number;
  f: number;
  i: Whole;
  s: Uint8Array;
  t: TensorMessage | null;
  g: GraphMessage | null;
  ints: Whole[];
  floats: number[];
  strings: Uint8Array[];
  tensors: TensorMessage[];
  graphs: GraphMessage[];
}

export interface NodeMessage {
  input: string[];
  output: string[];
  name: string;
  op_type: string;
  domain: string;
  attribute: AttributeMessage[];
}

export interface ValueMessage {
  name: string;
  type?: {
    tensor_type?: {
      elem_type: number;
      shape?: { dim: { dim_value?: Whole | null; dim_param?: string | null }[] } | null;
    } | null;
  } | null;
}

export interface GraphMessage {
  name: string;
  node: NodeMessage[];
  initializer: TensorMessage[];
  sparse_initializer: { values: TensorMessage | null }[];
  input: ValueMessage[];
  output: ValueMessage[];
}

export interface ModelMessage {
  ir_version: Whole;
  opset_import: { domain: string; version: Whole }[];
  graph: GraphMessage | null;
  functions: unknown[];
}

/** A whole number of a message, as JavaScript counts. */
export function wholeOf(value: Whole): number {
  return typeof value === 'number' ? value : value.toNumber();
}

/** @throws EsparseError 'checkpoint' for bytes that are no ONNX file, or the beginning of one */
export function decodeModel(bytes: Uint8Array, location: string): ModelMessage & { graph: GraphMessage } {
  let model: ModelMessage;
  try {
    model = modelProto().decode(bytes) as unknown as ModelMessage;
  } catch (error) {
    throw new EsparseError(
      'checkpoint',
      `${location} is no ONNX file, or is cut short: ${messageOf(error)}`,
      {
        hint: 'copy it again; what is wrong with it the checker of the onnx package tells',
        cause: error,
      },
    );
  }
  const { graph } = model;
  if (graph === null || graph.node.length === 0) {
    throw new EsparseError('checkpoint', `${location} is no ONNX file: it has no graph with nodes`);
  }
  return Object.assign(model, { graph });
}

/** The file of a model. */
export function encodeModel(model: object): Uint8Array {
  return modelProto().encode(model).finish();
}

/** The attribute of that name of a node. */
export function attributeOf({ attribute }: NodeMessage, name: string): AttributeMessage | undefined {
  return attribute.find((candidate) => candidate.name === name);
}

/** A whole number of a node's attributes. */
export function intOf(node: NodeMessage, name: string, otherwise: number): number {
  const found = attributeOf(node, name);
  return found === undefined ? otherwise : wholeOf(found.i);
}

/** Whole numbers of a node's attributes; undefined where it has none of that name. */
export function intsOf(node: NodeMessage, name: string): number[] | undefined {
  const found = attributeOf(node, name);
  return found?.ints.map(wholeOf);
}

/** A word of a node's attributes. */
export function wordOf(node: NodeMessage, name: string, otherwise: string): string {
  const found = attributeOf(node, name);
  return found === undefined ? otherwise : Buffer.from(found.s).toString('utf8');
}

/** The graphs inside a node: the branches of an If, the body of a Loop. */
export function graphsIn({ attribute }: NodeMessage): GraphMessage[] {
  return attribute.flatMap(({ g, graphs }) => (g === null ? graphs : [g, ...graphs]));
}
