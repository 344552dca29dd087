import { ggufFile } from '@esparse/checkpoint';
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
  async files(source) {
    const { description, config } = source;
    const said = ggufConfig(description, config);
    const file = ggufFile({
      ...said,
      tokenizer: source.tokenizerFiles,
      tensors: await tensorsIn(source),
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
async function tensorsIn({ description, tensors }: ExportSource) {
  return Promise.all(
    modelTensors(description).map(async ({ name }) => {
      const stored = await tensors.blocks?.(name);
      return {
        ...(await tensors.info(name)),
        read: (signal?: AbortSignal) => tensors.read(name, signal),
        ...(stored && {
          blocks: { type: stored.bits === 8 ? ('Q8_0' as const) : ('Q4_0' as const), read: stored.read },
        }),
      };
    }),
  );
}
