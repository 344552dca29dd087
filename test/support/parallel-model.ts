import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint, writeCheckpoint } from '@esparse/checkpoint';
import { EXAMPLE_MODEL, REPOSITORY } from './repository.ts';

/** A model family of one's own, as an example. */
export const PARALLEL_FAMILY = path.join(REPOSITORY, 'examples/plugins/parallel-llama.ts');

/** Writes the example's weights as a model of that family reads them: it has one norm a block. */
export async function writeParallelModel(folder: string): Promise<void> {
  const checkpoint = await openCheckpoint(EXAMPLE_MODEL);
  const tensors = [...checkpoint.tensors.values()]
    .filter(({ name }) => !name.endsWith('.post_attention_layernorm.weight'))
    .map((info) => ({ ...info, data: () => checkpoint.read(info.name) }));
  const config = { ...checkpoint.config, architectures: ['ParallelLlamaForCausalLM'] };
  await writeCheckpoint(folder, config, tensors);
  await checkpoint.close();
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(path.join(EXAMPLE_MODEL, file), path.join(folder, file));
  }
}
