import { bytesOf, tensorToF32 } from '@esparse/checkpoint';
import { buildModelGraph, type ModelTensor } from '@esparse/onnx';
import type { FilePart } from '@esparse/storage';
import { jsonFile, partOf, type ExportFormat } from '../format.ts';
import type { ExportSource } from '../source.ts';

/** The file of weights beside the graph, as Hugging Face's exporter calls it. */
const WEIGHTS = 'model.onnx_data';

/** A model that ONNX Runtime runs alone, with a cache of keys and values; weights are f32 in a file of their own. */
export const onnx: ExportFormat = {
  name: 'onnx',
  description: 'model that ONNX Runtime runs alone, with zeros, in f32',
  form: 'folder',
  files(source) {
    const { bytes, tensors } = buildModelGraph(source.description, WEIGHTS);
    return Promise.resolve([
      { name: WEIGHTS, parts: tensors.map((tensor, i) => weights(source, tensor, tensors[i + 1]?.offset)) },
      { name: 'model.onnx', parts: [partOf(bytes)] },
      ...source.tokenizerFiles.map((file) => ({ name: file.name, parts: [partOf(file.bytes)] })),
      jsonFile('config.json', source.attributes.config),
    ]);
  },
};

/** A tensor's elements, filled up to where the next one begins. */
function weights(
  { tensors }: ExportSource,
  { name, shape, offset }: ModelTensor,
  next: number | undefined,
): FilePart {
  const size = 4 * shape.reduce((product, length) => product * length, 1);
  const bytes = (next ?? offset + size) - offset;
  return {
    bytes,
    async read(signal) {
      const { dtype } = await tensors.info(name);
      const elements = bytesOf(await tensorToF32(dtype, await tensors.read(name, signal)));
      return bytes === size ? elements : Buffer.concat([elements, Buffer.alloc(bytes - size)]);
    },
  };
}
