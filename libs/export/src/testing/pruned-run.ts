import path from 'node:path';
import {
  openCheckpoint,
  tensorToF32,
  tensorToHalf,
  tokenizerFiles,
  type Checkpoint,
} from '@esparse/checkpoint';
import { uniform } from '@esparse/laws';
import { describeCheckpoint, linearsOf, tensorsOfBlock, type ModelDescription } from '@esparse/model';
import {
  densePath,
  writeCheckpointLayout,
  writeDense,
  writeLinear,
  writeTokenizerFiles,
} from '@esparse/model-store';
import { maskLinear, packLinear, packQuantized, roundLinear } from '@esparse/sparsity';
import { MemoryObjectStore, type ObjectStore } from '@esparse/storage';
import { createOrOpenStore, type Run, type Transaction } from '@esparse/store';

/** Random checkpoints of the families, as the Hugging Face library writes them. */
export const FIXTURES = path.join(import.meta.dirname, '../../../../test/fixtures/transformers');
export const PATTERN = { keep: 2, group: 4 };

export interface PrunedRunOptions {
  /** Linears that stay dense, by name. @default none */
  readonly dense?: readonly string[];
  /** Order of the channels of a linear. @default random, another one in each linear */
  readonly order?: (linear: string, block: number, cols: number) => Int32Array;
  /** Survivors as integers of so many bits, with a scale for 16 of them. @default 16-bit floats */
  readonly bits?: 4 | 8;
  /** Whether the run says how the checkpoint lay in its files. @default true */
  readonly layout?: boolean;
  /** Where the store is made. @default in new memory */
  readonly objects?: ObjectStore;
}

/** Prunes a checkpoint to 2:4 by magnitude, in random orders, into a new store. */
export async function prunedRun(
  model: string,
  {
    dense = [],
    order = randomOrder,
    bits,
    layout = true,
    objects = new MemoryObjectStore(),
  }: PrunedRunOptions = {},
): Promise<Run> {
  const checkpoint = await openCheckpoint(model);
  const description = describeCheckpoint(checkpoint);
  const writer = await (
    await createOrOpenStore(objects)
  ).beginRun('0123456789abcdef', attributesOf(checkpoint, description));
  try {
    await writeTokenizerFiles(writer, await tokenizerFiles(model));
    if (layout) await writeCheckpointLayout(writer, checkpoint);
    const outer = writer.beginDense();
    for (const { name } of description.outerTensors) await writeDense(outer, name, checkpoint, name);
    await outer.commit({});
    for (let block = 0; block < description.blocks; block++) {
      const group = writer.beginBlock(block);
      const packed = new Set<string>();
      for (const linear of linearsOf(description, block).filter(({ name }) => !dense.includes(name))) {
        const tensor = linear.weight(block);
        packed.add(tensor);
        const { name, cols } = linear;
        await prune(group, checkpoint, name, tensor, { order: order(name, block, cols), bits });
      }
      for (const { name } of tensorsOfBlock(description, block)) {
        if (!packed.has(name)) await writeDense(group, densePath(name), checkpoint, name);
      }
      await group.commit({});
    }
    await writer.finish({ blocks: description.blocks });
    return writer.run;
  } finally {
    await writer.close();
    await checkpoint.close();
  }
}

async function prune(
  group: Transaction,
  checkpoint: Checkpoint,
  linear: string,
  tensor: string,
  { order, bits }: { readonly order: Int32Array; readonly bits: 4 | 8 | undefined },
): Promise<void> {
  const { dtype, shape } = checkpoint.info(tensor);
  const [rows, cols] = [shape[0]!, shape[1]!];
  const bytes = await checkpoint.read(tensor);
  const values = await tensorToF32(dtype, bytes);
  const scores = values.map(Math.abs);
  const { bits: words, dtype: half } = tensorToHalf(dtype, bytes);
  const mask = await maskLinear({ scores, rows, cols }, order, PATTERN);
  const survivors = { pattern: PATTERN, permutation: order, mask };
  const packed =
    bits === undefined
      ? await packLinear({ dtype: half, weights: words, rows, cols }, order, mask, PATTERN)
      : await packQuantized(
          roundLinear({ weights: values, rows, cols }, { bits, group: 16 }, survivors),
          { rows, cols },
          survivors,
        );
  await writeLinear(group, linear, packed, { keptScore: { before: 1, after: 1 } });
}

/** Another order for each linear of each block. */
export function randomOrder(linear: string, block: number, cols: number): Int32Array {
  const random = uniform(1 + 2 * (block * 128 + linear.charCodeAt(0)));
  const keyed = Array.from({ length: cols }, (_, channel) => ({ channel, key: random() }));
  return Int32Array.from(keyed.sort((a, b) => a.key - b.key).map(({ channel }) => channel));
}

function attributesOf({ config, digest }: Checkpoint, { family, blocks }: ModelDescription) {
  return {
    ...{ config, family, blocks, model: digest, tokens: 'none', numerics: 'none' },
    options: {
      pipeline: { name: 'magnitude', version: 1, options: {} },
      pattern: PATTERN,
      calibration: { samples: 1, seqlen: 2, seed: 0, bos: false },
      skipIndivisible: false,
    },
  };
}
