import { mkdir, copyFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { elementCount, matricesOf, safetensorsHeader, type TensorToList } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock } from '@esparse/model';
import { randomBf16, seededNumbers } from './random-model.ts';
import { EXAMPLE_MODEL } from './repository.ts';

/** Blocks of the model that `writeGptOss` makes, and experts of each. */
export const GPT_OSS = { blocks: 2, experts: 4 } as const;

const CONFIG = {
  architectures: ['GptOssForCausalLM'],
  model_type: 'gpt_oss',
  hidden_size: 64,
  intermediate_size: 32,
  head_dim: 16,
  num_hidden_layers: GPT_OSS.blocks,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  num_local_experts: GPT_OSS.experts,
  num_experts_per_tok: 2,
  sliding_window: 16,
  vocab_size: 2048,
  max_position_embeddings: 256,
  rope_theta: 150_000,
  rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, truncate: false },
  quantization_config: { quant_method: 'mxfp4', modules_to_not_convert: ['lm_head'] },
  torch_dtype: 'bfloat16',
};

/** Writes a random gpt-oss as it is published: its experts in blocks of MXFP4. */
export async function writeGptOss(directory: string): Promise<void> {
  const tensors = [...tensorsIn()];
  await mkdir(directory, { recursive: true });
  const bytes = tensors.map(({ data }) => data);
  await writeFile(
    path.join(directory, 'model.safetensors'),
    Buffer.concat([safetensorsHeader(tensors), ...bytes]),
  );
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(path.join(EXAMPLE_MODEL, file), path.join(directory, file));
  }
  await writeFile(path.join(directory, 'config.json'), JSON.stringify(CONFIG));
}

function* tensorsIn(): Generator<TensorToList & { readonly data: Uint8Array }> {
  const description = describeModel(CONFIG);
  let seed = 0;
  const bf16 = (name: string, shape: readonly number[]) => ({
    name,
    shape,
    dtype: 'BF16',
    data: randomBf16(shape, ++seed),
  });
  const u8 = (name: string, shape: readonly number[], from: number, to: number) => {
    const random = seededNumbers(++seed);
    const length = elementCount(shape);
    const data = Uint8Array.from({ length }, () => from + Math.floor(random() * (to - from)));
    return { name, shape, dtype: 'U8', data };
  };
  for (const { name, shape } of description.outerTensors) yield bf16(name, shape);
  for (let block = 0; block < description.blocks; block++) {
    const fused = description.fusedTensors!(block);
    const parts = new Set(fused.flatMap((one) => one.parts.map(({ name }) => name)));
    for (const { name, shape } of tensorsOfBlock(description, block))
      if (!parts.has(name)) yield bf16(name, shape);
    for (const one of fused) {
      if (one.mxfp4 === undefined) {
        yield bf16(one.name, one.shape);
        continue;
      }
      const { count, rows, columns } = matricesOf(one);
      const blocks = [count, rows, columns[0]! / 32];
      yield u8(one.mxfp4.blocks, [...blocks, 16], 0, 256);
      // Factors of 1/32 to 1/8.
      yield u8(one.mxfp4.scales, blocks, 122, 125);
    }
  }
}
