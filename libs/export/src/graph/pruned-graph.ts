import {
  decodeModel,
  elementCount,
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

/** Largest file of a graph: what one message of protobuf may be. */
const MAX_BYTES = 2 ** 31 - 1;

/**
 * The file of a graph with the weights of a run, in their original order, zero where pruned: names, nodes and everything
 * else as they were; weights that lay in files beside it are in it.
 * @throws EsparseError 'unsupported' where that is more than one file of ONNX holds
 */
export async function prunedGraphFile(source: GraphSource): Promise<ExportFile> {
  const bytes = (await graphWith(source, () => Promise.resolve(undefined))).byteLength;
  if (bytes > MAX_BYTES) {
    throw new EsparseError('unsupported', `the graph would be of ${bytes} bytes: a file holds ${MAX_BYTES}`);
  }
  return { name: 'model.onnx', parts: [{ bytes, read: (signal) => prunedGraph(source, signal) }] };
}

/** The same in memory. */
export function prunedGraph({ tensors, ...source }: GraphSource, signal?: AbortSignal): Promise<Uint8Array> {
  return graphWith({ tensors, ...source }, async (name) => {
    const { dtype } = await tensors.info(name);
    return tensorToF32(dtype, await tensors.read(name, signal));
  });
}

/** @param read the values of a matrix; zeros where there are none */
async function graphWith(
  { graph: file, description: { graph } }: GraphSource,
  read: (matrix: string) => Promise<Float32Array | undefined>,
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
  return encodeModel(model);
}
