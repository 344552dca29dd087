import {
  bytesOf,
  decodeModel,
  elementCount,
  elementsIn,
  encodeModel,
  scatterMatrix,
  setElements,
  setExternal,
  shapeOf,
  tensorsOf,
  tensorToF32,
  type Elements,
  type GraphLinear,
  type TensorMessage,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import { partOf, type ExportFile } from '../format.ts';
import type { GraphSource } from '../source.ts';
import { inOrder, type TensorOrders } from './fold-graph.ts';

/** Largest file of a graph: what one message of protobuf may be. */
const MAX_BYTES = 2 ** 31 - 1;

/** What the name of a file of weights ends in, behind that of the graph beside it. */
const ENDING = '_data';

/** Where each tensor begins in a file of weights, so that it can be mapped into memory. */
const ALIGNMENT = 4096;

export interface PrunedGraphOptions {
  /** What the file will be called, by which the graph names that of its weights. */
  readonly name: string;
  /** Orders of tensors along their axes. @default none */
  readonly moved?: TensorOrders | undefined;
  /** Bytes of one file of a graph at most. @default what protobuf allows: 2 GiB less 1 */
  readonly most?: number;
}

/**
 * The file of a graph with the weights of a run, in their original order, zero where pruned: names, nodes and everything
 * else as they were; weights that lay in files beside it are in it. Where that is more than one file holds, the matrices lie
 * in a second one, of which one tensor at a time is in memory.
 * @throws EsparseError 'unsupported' where the graph is too large without its matrices
 */
export async function prunedGraphFiles(
  source: GraphSource,
  { name, moved, most = MAX_BYTES }: PrunedGraphOptions,
): Promise<ExportFile[]> {
  const { model, tensors, bytes } = await open(source, moved);
  // The fields around a tensor's elements take some bytes more.
  const all = bytes + tensors.reduce((sum, tensor) => sum + tensor.bytes + 32, 0);
  if (all <= most) {
    for (const { message, bytes: size } of tensors) setElements(message, new Float32Array(size / 4));
    const whole = encodeModel(model).byteLength;
    return [
      {
        name: 'model.onnx',
        parts: [{ bytes: whole, read: (signal) => prunedGraph(source, { moved, signal }) }],
      },
    ];
  }
  let end = 0;
  const parts = tensors.map(({ message, bytes: size, read }, i) => {
    setExternal(message, { file: `${name}${ENDING}`, offset: end, length: size });
    const padded = i + 1 < tensors.length ? Math.ceil(size / ALIGNMENT) * ALIGNMENT : size;
    end += padded;
    return {
      bytes: padded,
      async read(signal?: AbortSignal) {
        const elements = bytesOf(await read(signal));
        return padded === size ? elements : Buffer.concat([elements, Buffer.alloc(padded - size)]);
      },
    };
  });
  const graph = encodeModel(model);
  if (graph.byteLength > most) {
    throw new EsparseError(
      'unsupported',
      `the graph without its matrices is of ${graph.byteLength} bytes: a file holds ${most}`,
    );
  }
  return [
    { name: `model.onnx${ENDING}`, parts },
    { name: 'model.onnx', parts: [partOf(graph)] },
  ];
}

/**
 * The same as one file, in memory.
 * @throws EsparseError 'unsupported' where it is more than one file holds
 */
export async function prunedGraph(
  source: GraphSource,
  {
    moved,
    signal,
  }: { readonly moved?: TensorOrders | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  const { model, tensors, bytes } = await open(source, moved);
  const all = tensors.reduce((sum, tensor) => sum + tensor.bytes, bytes);
  if (all > MAX_BYTES) {
    throw new EsparseError('unsupported', `the graph would be of ${all} bytes: a file holds ${MAX_BYTES}`, {
      hint: 'export it, which writes the weights into a second file, and use that',
    });
  }
  for (const { message, read } of tensors) setElements(message, await read(signal));
  return encodeModel(model);
}

/** A tensor that matrices lie in. */
interface MatrixTensor {
  readonly message: TensorMessage;
  readonly bytes: number;
  read(signal?: AbortSignal): Promise<Elements>;
}

/** The graph with no elements where matrices lie, everything else in its order, and those tensors. */
async function open(
  { graph: file, description: { graph }, tensors: stored }: GraphSource,
  moved: TensorOrders = new Map(),
): Promise<{
  readonly model: ReturnType<typeof decodeModel>;
  readonly tensors: readonly MatrixTensor[];
  /** Of the graph without them. */
  readonly bytes: number;
}> {
  const skeleton = await file();
  const model = decodeModel(skeleton, 'the graph');
  const messages = tensorsOf(model.graph);
  const linears = new Map<number, GraphLinear[]>();
  for (const linear of graph.linears) {
    const { tensor } = linear.place;
    if (messages[tensor] === undefined) throw new EsparseError('store', `the graph has no tensor ${tensor}`);
    linears.set(tensor, [...(linears.get(tensor) ?? []), linear]);
  }
  for (const [tensor, axes] of moved) {
    const { message } = messages[tensor]!;
    if (!linears.has(tensor)) setElements(message, inOrder(elementsIn(message), shapeOf(message), axes));
  }
  const tensors = [...linears].map(([tensor, own]): MatrixTensor => {
    const { message } = messages[tensor]!;
    const shape = shapeOf(message);
    const count = elementCount(shape);
    const isF16 = own.some(({ dtype }) => dtype === 'F16');
    return {
      message,
      bytes: count * (isF16 ? 2 : 4),
      async read(signal) {
        const all = new Float32Array(count);
        for (const { name, place, rows, cols } of own) {
          const { dtype } = await stored.info(name);
          scatterMatrix(await tensorToF32(dtype, await stored.read(name, signal)), all, place, {
            rows,
            cols,
          });
        }
        const elements = inOrder(all, shape, moved.get(tensor) ?? new Map<number, Int32Array>());
        return isF16 ? narrow('f16', elements) : elements;
      },
    };
  });
  return { model, tensors, bytes: skeleton.byteLength };
}
