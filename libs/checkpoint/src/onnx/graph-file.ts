import { createHash } from 'node:crypto';
import { EsparseError } from '@esparse/errors';
import { describeGraph, type GraphParts } from './describe.ts';
import { decodeModel, ELEMENT, encodeModel, type TensorMessage } from './messages.ts';
import {
  elementsIn,
  elementsOf,
  emptyElements,
  externalOf,
  shapeOf,
  tensorsOf,
  type Elements,
} from './tensors.ts';
import type { Branches } from './view.ts';

/** The name of the graph without its matrices, among the files that an ONNX file stands for. */
export const GRAPH_FILE = 'graph.onnx';

/** Largest .onnx file: what one protobuf message may be. */
export const MAX_GRAPH_BYTES = 2 ** 31 - 1;

/** Reads bytes of a file beside the graph. */
export type ReadBeside = (file: string, offset: number, length: number) => Promise<Uint8Array>;

/** An ONNX file, taken apart: what can be pruned, and the graph without that. */
export interface GraphFile {
  readonly parts: GraphParts;
  /** The .onnx file with no elements in the tensors of matrices; external data are in it. */
  readonly skeleton: Uint8Array;
  /** config.json of the checkpoint that it stands for. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The elements of a tensor that matrices lie in. */
  elements(tensor: number): Promise<Elements>;
}

/**
 * Takes an ONNX file apart.
 * @throws EsparseError 'checkpoint' or 'unsupported', naming what is wrong
 */
export async function takeApart(
  bytes: Uint8Array,
  {
    location,
    branches,
    readBeside,
  }: {
    readonly location: string;
    readonly branches: Branches;
    readonly readBeside: ReadBeside;
  },
): Promise<GraphFile> {
  const model = decodeModel(bytes, location);
  const parts = describeGraph(model, branches, location);
  const matrices = new Set(parts.linears.map(({ place }) => place.tensor));
  const kept = new Map<number, () => Promise<Elements>>();
  for (const [tensor, { message }] of tensorsOf(model.graph).entries()) {
    const external = externalOf(message);
    const read =
      external === undefined
        ? undefined
        : async () => {
            const size = bytesOfTensor(message.data_type, shapeOf(message));
            return readBeside(external.file, external.offset, external.length ?? size);
          };
    if (!matrices.has(tensor)) {
      if (read === undefined) continue;
      message.raw_data = await read();
      message.external_data = [];
      message.data_location = 0;
      continue;
    }
    // What it was, with the defaults of its type.
    const whole = Object.assign(
      Object.create(Object.getPrototypeOf(message) as object) as TensorMessage,
      message,
    );
    kept.set(tensor, async () => (read === undefined ? elementsIn(whole) : elementsOf(whole, await read())));
    emptyElements(message);
  }
  const skeleton = encodeModel(model);
  return {
    parts,
    skeleton,
    config: {
      architectures: ['onnx'],
      model_type: 'onnx',
      graph: createHash('sha256').update(skeleton).digest('hex'),
      ...parts,
    },
    async elements(tensor) {
      const found = kept.get(tensor);
      if (found === undefined) throw new EsparseError('internal', `no matrix lies in tensor ${tensor}`);
      return found();
    },
  };
}

/** Bytes of an element, by TensorProto.DataType. */
const ELEMENT_BYTES: Readonly<Record<number, number>> = {
  [ELEMENT.FLOAT]: 4,
  [ELEMENT.UINT8]: 1,
  [ELEMENT.INT8]: 1,
  [ELEMENT.UINT16]: 2,
  [ELEMENT.INT16]: 2,
  [ELEMENT.INT32]: 4,
  [ELEMENT.INT64]: 8,
  [ELEMENT.BOOL]: 1,
  [ELEMENT.FLOAT16]: 2,
  [ELEMENT.DOUBLE]: 8,
  [ELEMENT.UINT32]: 4,
  [ELEMENT.UINT64]: 8,
};

function bytesOfTensor(type: number, shape: readonly number[]): number {
  const each = ELEMENT_BYTES[type];
  if (each === undefined)
    throw new EsparseError('unsupported', `external data of type ${type} without a length`);
  return shape.reduce((product, size) => product * size, each);
}
