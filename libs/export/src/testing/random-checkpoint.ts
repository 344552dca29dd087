import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bytesOf, tokenizerFiles, writeCheckpoint } from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { modelTensors } from '../source.ts';

/**
 * Writes a checkpoint with random weights and a tokenizer.
 *
 * @param tokenizer where a checkpoint is that has it, of at most so many tokens as the model
 */
export async function randomCheckpoint(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  tokenizer: string,
): Promise<void> {
  const tensors = modelTensors(describeModel(config)).map(({ name, shape }, i) => ({
    ...{ name, shape, dtype: 'F32' as const },
    data: () => randomValues(shape, 2 * i + 1),
  }));
  await writeCheckpoint(folder, config, tensors);
  for (const { name, bytes } of await tokenizerFiles(tokenizer))
    await writeFile(path.join(folder, name), bytes);
}

/** Vectors are about 1, so that norms keep the scale; rows of matrices have a length of about 1. */
function randomValues(shape: readonly number[], seed: number): Uint8Array {
  const [rows, cols] = shape.length === 1 ? [1, shape[0]!] : [shape[0]!, shape[1]!];
  const random = uniform(seed, -1, 1);
  const values = Float32Array.from({ length: rows * cols }, () =>
    shape.length === 1 ? 1 + 0.3 * random() : random() * Math.sqrt(3 / cols),
  );
  return bytesOf(values);
}
