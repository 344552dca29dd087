import {
  decodeModel,
  elementCount,
  elementsIn,
  encodeModel,
  scatterMatrix,
  setElements,
  shapeOf,
  tensorsOf,
  tensorToF32,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import type { ExportFile } from '../format.ts';
import type { GraphSource } from '../source.ts';
import { inOrder, type TensorOrders } from './fold-graph.ts';

/** Largest file of a graph: what one message of protobuf may be. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The file of a graph with the weights of a run, in their original order, zero where pruned: names, nodes and everything
 * else as they were; weights that lay in files beside it are in it.
 * @throws EsparseError 'unsupported' where that is more than one file of ONNX holds
 */
export async function prunedGraphFile(source: GraphSource, moved?: TensorOrders): Promise<ExportFile> {
  const bytes = (await graphWith(source, () => Promise.resolve(undefined))).byteLength;
  if (bytes > MAX_BYTES) {
    throw new EsparseError('unsupported', `the graph would be of ${bytes} bytes: a file holds ${MAX_BYTES}`);
  }
  return { name: 'model.onnx', parts: [{ bytes, read: (signal) => prunedGraph(source, { moved, signal }) }] };
}

/** The same in memory. */
export function prunedGraph(
  source: GraphSource,
  {
    moved,
    signal,
  }: { readonly moved?: TensorOrders | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<Uint8Array> {
  const { tensors } = source;
  return graphWith(
    source,
    async (name) => {
      const { dtype } = await tensors.info(name);
      return tensorToF32(dtype, await tensors.read(name, signal));
    },
    moved,
  );
}

/**
 * @param read the values of a matrix; zeros where there are none
 * @param moved orders of tensors along their axes. @default none
 */
async function graphWith(
  { graph: file, description: { graph } }: GraphSource,
  read: (matrix: string) => Promise<Float32Array | undefined>,
  moved: TensorOrders = new Map(),
): Promise<Uint8Array> {
  const model = decodeModel(await file(), 'the graph');
  const messages = tensorsOf(model.graph);
  const elements = new Map<number, Float32Array>();
  const halves = new Set<number>();
  for (const { name, place, rows, cols, dtype } of graph.linears) {
    const message = messages[place.tensor]?.message;
    if (message === undefined) throw new EsparseError('store', `the graph has no tensor ${place.tensor}`);
    const all = elements.get(place.tensor) ?? new Float32Array(elementCount(shapeOf(message)));
    elements.set(place.tensor, all);
    if (dtype === 'F16') halves.add(place.tensor);
    const matrix = await read(name);
    if (matrix !== undefined) scatterMatrix(matrix, all, place, { rows, cols });
  }
  for (const [tensor, values] of elements) {
    setElements(messages[tensor]!.message, halves.has(tensor) ? narrow('f16', values) : values);
  }
  for (const [tensor, axes] of moved) {
    const { message } = messages[tensor]!;
    setElements(message, inOrder(elementsIn(message), shapeOf(message), axes));
  }
  return encodeModel(model);
}
