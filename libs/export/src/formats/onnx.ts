import { bytesOf, tensorBytes, tensorToF32, type TensorDtype } from '@esparse/checkpoint';
import { buildModelGraph, type ModelTensor } from '@esparse/onnx';
import type { FilePart } from '@esparse/storage';
import { matricesIn } from '../dtype/in-dtype.ts';
import { prunedGraphFiles } from '../graph/pruned-graph.ts';
import { jsonFile, partOf, type ExportFormat } from '../format.ts';
import { modelTensors, type ExportSource } from '../source.ts';

/** The file of weights beside the graph, as Hugging Face's exporter calls it. */
const WEIGHTS = 'model.onnx_data';

/**
 * A model that ONNX Runtime runs alone, with a cache of keys and values; weights are in a file of their own. Vectors are f32
 * there, matrices too unless they are asked for in 16 bits: then the graph widens them. A graph that was pruned is one file, as
 * it was, with zeros; beyond 2 GiB its matrices are in a second one.
 */
export const onnx: ExportFormat = {
  name: 'onnx',
  description: 'model that ONNX Runtime runs alone, with zeros, in f32',
  form: 'folder',
  weights: { inDtype: matricesIn, dtype: 'f32' },
  async files(source) {
    const matrices = await matrixTypes(source);
    const { bytes, tensors } = buildModelGraph(
      source.description,
      WEIGHTS,
      (name) => matrices.get(name) ?? 'F32',
    );
    return [
      { name: WEIGHTS, parts: tensors.map((tensor, i) => weights(source, tensor, tensors[i + 1]?.offset)) },
      { name: 'model.onnx', parts: [partOf(bytes)] },
      ...source.tokenizerFiles.map((file) => ({ name: file.name, parts: [partOf(file.bytes)] })),
      jsonFile('config.json', source.config),
    ];
  },
  graphs: { form: 'file', files: prunedGraphFiles },
};

/** The types of all matrices. */
async function matrixTypes({ description, tensors }: ExportSource): Promise<Map<string, TensorDtype>> {
  const matrices = modelTensors(description).filter(({ shape }) => shape.length > 1);
  const infos = await Promise.all(matrices.map(({ name }) => tensors.info(name)));
  return new Map(infos.map(({ name, dtype }) => [name, dtype]));
}

/** A tensor's elements, filled up to where the next one begins. */
function weights(
  { tensors }: ExportSource,
  { name, shape, dtype, offset }: ModelTensor,
  next: number | undefined,
): FilePart {
  const size = tensorBytes({ shape, dtype });
  const bytes = (next ?? offset + size) - offset;
  return {
    bytes,
    async read(signal) {
      const [{ dtype: own }, stored] = [await tensors.info(name), await tensors.read(name, signal)];
      const elements = own === dtype ? stored : bytesOf(await tensorToF32(own, stored));
      return bytes === size ? elements : Buffer.concat([elements, Buffer.alloc(bytes - size)]);
    },
  };
}
