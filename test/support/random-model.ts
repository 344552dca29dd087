import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { elementCount, type TensorToWrite, writeCheckpoint } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock } from '@esparse/model';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { EXAMPLE_MODEL } from './repository.ts';

/** The sizes of a generated LLaMA. */
export interface LlamaShape {
  readonly hidden: number;
  readonly intermediate: number;
  readonly blocks: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** @default that of the example's tokenizer, 2048 */
  readonly vocab?: number;
  /** Whether the head is the embedding. @default true */
  readonly tiedHead?: boolean;
}

/** The config.json of a LLaMA of this shape. */
export function llamaConfig(shape: LlamaShape): Record<string, unknown> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    max_position_embeddings: 2048,
    tie_word_embeddings: shape.tiedHead ?? true,
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.blocks,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    vocab_size: shape.vocab ?? 2048,
    torch_dtype: 'bfloat16',
  };
}

/** Writes a LLaMA with random bf16 weights of a trained model's scale, tensor by tensor. */
export async function writeRandomLlama(directory: string, shape: LlamaShape, seed = 1): Promise<void> {
  await writeRandomModel(directory, llamaConfig(shape), seed);
}

/** The same of a model of any family, by its config.json. */
export async function writeRandomModel(
  directory: string,
  config: Record<string, unknown>,
  seed = 1,
): Promise<void> {
  const description = describeModel(config);
  const specs = [...description.outerTensors];
  for (let block = 0; block < description.blocks; block++) specs.push(...tensorsOfBlock(description, block));
  const tensors = specs.map(({ name, shape: size }, index): TensorToWrite => ({
    name,
    shape: size,
    dtype: 'BF16',
    data: () => randomBf16(size, seed * 1000 + index),
  }));
  await writeCheckpoint(directory, config, tensors);
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(path.join(EXAMPLE_MODEL, file), path.join(directory, file));
  }
}

/** Norms are ones; matrices have a standard deviation of 1 / sqrt(inputs), their columns of unequal scale. */
export function randomBf16(shape: readonly number[], seed: number): Uint8Array {
  const count = elementCount(shape);
  const values = new Float32Array(count);
  if (shape.length === 1) values.fill(1);
  else {
    const random = seededNumbers(seed);
    const cols = shape[1]!;
    const scale = Float64Array.from({ length: cols }, () => Math.exp(random() - 0.5) / Math.sqrt(cols));
    // The sum of four uniforms is close enough to a Gaussian here.
    for (let i = 0; i < count; i++) {
      values[i] = (random() + random() + random() + random() - 2) * 1.7 * scale[i % cols]!;
    }
  }
  const bits = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}

/** Numbers in [0, 1) for generated models and stores, by the million: the same ones for a seed. */
export function seededNumbers(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => (generator.next() >>> 0) / 2 ** 32;
}
