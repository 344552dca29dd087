import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { writeCheckpoint, type TensorToWrite } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock } from '@esparse/model';
import { llamaConfig, seededNumbers, type LlamaShape } from '../../support/random-model.ts';
import { EXAMPLE_MODEL } from '../../support/repository.ts';

/** Values of noise that are drawn; every tensor begins at a place of its own in them. */
const POOL = 2 ** 23;

/** Bytes of a safetensors file, about: what hubs cut large models into. */
const FILE_BYTES = 2 ** 31;

/**
 * Writes a LLaMA whose matrices are noise of a trained model's scale, at the speed of the disk: every byte is written,
 * no two tensors are equal, but all repeat one pool of 8 M values.
 */
export async function writeNoiseLlama(directory: string, shape: LlamaShape): Promise<number> {
  const config = llamaConfig(shape);
  const description = describeModel(config);
  const specs = [...description.outerTensors];
  for (let block = 0; block < shape.blocks; block++) specs.push(...tensorsOfBlock(description, block));
  const pool = noise(1 / Math.sqrt(shape.hidden));
  const bytesOf = (size: readonly number[]) => size.reduce((product, length) => product * length, 2);
  const tensors = specs.map(({ name, shape: size }, index): TensorToWrite => ({
    name,
    shape: size,
    dtype: 'BF16',
    data: () => (size.length === 1 ? ones(size[0]!) : repeated(pool, bytesOf(size) / 2, index * 1_000_003)),
  }));
  const bytes = specs.reduce((sum, { shape: size }) => sum + bytesOf(size), 0);
  await writeCheckpoint(directory, config, tensors, { shards: Math.ceil(bytes / FILE_BYTES) });
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(path.join(EXAMPLE_MODEL, file), path.join(directory, file));
  }
  return bytes;
}

/** bf16 of nearly Gaussian values. */
function noise(deviation: number): Uint16Array {
  const random = seededNumbers(7);
  const values = new Float32Array(POOL);
  for (let i = 0; i < POOL; i++) {
    // The sum of four uniforms has a deviation of 1 / sqrt(3).
    values[i] = (random() + random() + random() + random() - 2) * Math.sqrt(3) * deviation;
  }
  return Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16);
}

function ones(length: number): Uint8Array {
  return new Uint8Array(new Uint16Array(length).fill(0x3f80).buffer);
}

function repeated(pool: Uint16Array, length: number, offset: number): Uint8Array {
  const out = new Uint16Array(length);
  for (let at = 0, from = offset % POOL; at < length; from = 0) {
    const part = pool.subarray(from, Math.min(POOL, from + length - at));
    out.set(part, at);
    at += part.length;
  }
  return new Uint8Array(out.buffer);
}
