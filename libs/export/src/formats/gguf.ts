import { ggufFile, type GgufTensorSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { describeModel } from '@esparse/model';
import { matricesIn } from '../dtype/in-dtype.ts';
import type { ExportFormat } from '../format.ts';
import { differenceOf } from '../same-model.ts';
import { modelTensors, type ExportSource } from '../source.ts';
import { ggufConfig } from './gguf-config.ts';

/** One file for llama.cpp and what is built on it, with zeros where weights were pruned. */
export const gguf: ExportFormat = {
  name: 'gguf',
  description: 'one file for llama.cpp, with zeros',
  form: 'file',
  weights: { inDtype: matricesIn },
  async files(source, signal) {
    const { description, config } = source;
    const said = ggufConfig(description, config);
    const file = ggufFile({
      ...said,
      tokenizer: source.tokenizerFiles,
      tensors: await tensorsIn(source, signal),
    });
    const difference = differenceOf(description, describeModel(file.config));
    if (difference === undefined) return [{ name: 'model.gguf', parts: file.parts }];
    throw new EsparseError(
      'unsupported',
      `llama.cpp's architecture '${said.architecture}' cannot hold this ${description.family}: ${difference}`,
      { hint: 'export it as safetensors' },
    );
  },
};

/** Integers are written as blocks where these hold them exactly: never rounded again. */
async function tensorsIn({ description, tensors }: ExportSource, signal?: AbortSignal) {
  const found: GgufTensorSource[] = [];
  for (const { name } of modelTensors(description)) {
    const stored = await tensors.blocks?.(name, signal);
    found.push({
      ...(await tensors.info(name)),
      read: (under) => tensors.read(name, under),
      ...(stored && { blocks: { type: stored.bits === 8 ? 'Q8_0' : 'Q4_0', read: stored.read } }),
    });
  }
  return found;
}
