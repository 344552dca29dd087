import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EXAMPLE_MODEL, REPOSITORY } from './repository.ts';

/** A model family of one's own, as an example. */
export const PARALLEL_FAMILY = path.join(REPOSITORY, 'examples/plugins/parallel-llama.ts');

/** Writes the example's weights as a model of that family reads them. */
export async function writeParallelModel(folder: string): Promise<void> {
  await cp(EXAMPLE_MODEL, folder, { recursive: true });
  const file = path.join(folder, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, architectures: ['ParallelLlamaForCausalLM'] }));
}
