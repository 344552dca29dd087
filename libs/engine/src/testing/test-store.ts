import { uniform } from '@esparse/laws';
import { elementCount, openCheckpoint } from '@esparse/checkpoint';
import {
  describeCheckpoint,
  describeModel,
  linearsOf,
  tensorsOfBlock,
  type ModelDescription,
} from '@esparse/model';
import { densePath, writeLinear, type RunAttributes } from '@esparse/model-store';
import { canonicalOrder, maskLinear, packLinear, type Pattern } from '@esparse/sparsity';
import type { ObjectStore } from '@esparse/storage';
import { createOrOpenStore, type Transaction } from '@esparse/store';
import { widen } from '@esparse/kernels';
import path from 'node:path';

/** The example model. */
export const EXAMPLE = path.join(import.meta.dirname, '../../../../examples/models/llama-2m');

/** A model to be stored: its config.json, and its tensors as bf16 bits. */
export interface TestModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensor: (name: string, shape: readonly number[]) => Promise<Uint16Array>;
}

export interface TestStoreOptions {
  /** Kept by magnitude, in a random order. @default all linears stay dense */
  readonly pattern?: Pattern | undefined;
  /** Linears that stay dense in spite of it. */
  readonly dense?: readonly string[];
  /** Store what stays dense as f32. @default bf16 */
  readonly f32?: boolean;
  readonly fingerprint?: string;
  /** How many blocks are written. @default all */
  readonly blocks?: number;
}

/** The bundled model. */
export const exampleModel = (): Promise<TestModel> => checkpointModel(EXAMPLE);

/** A checkpoint in bf16, read whole. */
export async function checkpointModel(directory: string): Promise<TestModel> {
  const checkpoint = await openCheckpoint(directory);
  const description = describeCheckpoint(checkpoint);
  const blocks = Array.from({ length: description.blocks }, (_, block) => block);
  const names = [
    ...description.outerTensors.map(({ name }) => name),
    ...blocks.flatMap((block) => tensorsOfBlock(description, block).map(({ name }) => name)),
  ];
  const tensors = new Map<string, Uint16Array>();
  for (const name of names) tensors.set(name, new Uint16Array((await checkpoint.read(name)).slice().buffer));
  await checkpoint.close();
  return { config: checkpoint.config, tensor: (name) => Promise.resolve(tensors.get(name)!) };
}

/** A random LLaMA with tensors of a trained model's scale. */
export function randomModel(overrides: Readonly<Record<string, unknown>> = {}): TestModel {
  const config = {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 48,
    intermediate_size: 80,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 24,
    vocab_size: 70,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    ...overrides,
  };
  return {
    config,
    tensor(name, shape) {
      const length = elementCount(shape);
      const random = uniform(Buffer.from(name).reduce((sum, byte) => (sum * 31 + byte) | 0, 7));
      const spread = shape.length === 1 ? 0.2 : 3 / Math.sqrt(shape[1]!);
      const mean = name.endsWith('norm.weight') ? 1 : 0;
      const values = Float32Array.from({ length }, () => mean + spread * (random() + random() - 1));
      return Promise.resolve(Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16));
    },
  };
}

/** Stores a model as one finished run, and gives its description. */
export async function writeTestStore(
  root: string | ObjectStore,
  { config, tensor }: TestModel,
  options: TestStoreOptions = {},
): Promise<ModelDescription> {
  const { pattern, dense = [], f32 = false, fingerprint = 'abcdef0123456789' } = options;
  const description = describeModel(config);
  const blocks = options.blocks ?? description.blocks;
  const random = uniform(3);
  const writer = await (
    await createOrOpenStore(root)
  ).beginRun(fingerprint, { ...attributesOf(config, pattern) });
  const write = async (transaction: Transaction, at: string, name: string, shape: readonly number[]) => {
    const bits = await tensor(name, shape);
    const data = f32 ? await widen('bf16', bits) : bits;
    await transaction.putArray(at, {
      data,
      shape,
      attributes: { dtype: f32 ? 'f32' : 'bf16', tensor: name },
    });
  };
  try {
    const outer = writer.beginDense();
    for (const { name, shape } of description.outerTensors) await write(outer, name, name, shape);
    await outer.commit({});
    for (let block = 0; block < blocks; block++) {
      const transaction = writer.beginBlock(block);
      const packed = new Set<string>();
      for (const { name, rows, cols, weight } of linearsOf(description, block)) {
        if (pattern === undefined || dense.includes(name)) continue;
        packed.add(weight(block));
        const weights = await tensor(weight(block), [rows, cols]);
        const order = canonicalOrder(shuffled(cols, random), pattern.group);
        const scores = (await widen('bf16', weights)).map(Math.abs);
        const mask = await maskLinear({ scores, rows, cols }, order, pattern);
        const linear = await packLinear({ dtype: 'bf16', weights, rows, cols }, order, mask, pattern);
        await writeLinear(transaction, name, linear, { keptScore: { before: 1, after: 1 } });
      }
      for (const { name, shape } of tensorsOfBlock(description, block)) {
        if (!packed.has(name)) await write(transaction, densePath(name), name, shape);
      }
      await transaction.commit({});
    }
    if (blocks === description.blocks) await writer.finish({ blocks });
  } finally {
    await writer.close();
  }
  return description;
}

function attributesOf(config: TestModel['config'], pattern: Pattern = { keep: 2, group: 4 }): RunAttributes {
  return {
    config,
    family: describeModel(config).family,
    blocks: describeModel(config).blocks,
    model: 'test',
    tokens: 'none',
    numerics: 'none',
    options: {
      pipeline: { name: 'magnitude', version: 1, options: {} },
      pattern,
      calibration: { samples: 0, seqlen: 0, seed: 0, bos: false },
      skipIndivisible: false,
    },
  };
}

function shuffled(length: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
