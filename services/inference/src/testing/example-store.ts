import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  checkpointWeights,
  openCheckpoint,
  tokenizerFiles,
  type Checkpoint,
  type TokenizerFile,
} from '@esparse/checkpoint';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import {
  densePath,
  readTokenizerFiles,
  writeDense,
  writeLinear,
  writeTokenizerFiles,
} from '@esparse/model-store';
import { identityOrder, maskLinear, packLinear, type Pattern } from '@esparse/sparsity';
import { createOrOpenStore, openStore, type RunWriter } from '@esparse/store';

export const EXAMPLE_MODEL = path.join(import.meta.dirname, '../../../../examples/models/llama-2m');

export interface ExampleRun {
  readonly store: string;
  readonly fingerprint: string;
  /** @default 2:4 */
  readonly pattern?: Pattern;
  /** Put into tokenizer_config.json. */
  readonly chatTemplate?: string;
  readonly name?: string;
}

/** Prunes the example model by the size of its weights into a store, in half a second, and makes it current. */
export async function writeExampleRun(options: ExampleRun): Promise<void> {
  const { store, fingerprint, pattern = { keep: 2, group: 4 }, chatTemplate, name = 'llama-2m' } = options;
  const checkpoint = await openCheckpoint(EXAMPLE_MODEL);
  const description = describeCheckpoint(checkpoint);
  const writer = await (
    await createOrOpenStore(store)
  ).beginRun(fingerprint, {
    config: checkpoint.config,
    family: description.family,
    blocks: description.blocks,
    model: checkpoint.digest,
    tokens: '0',
    numerics: 'none',
    options: {
      pipeline: { name: 'magnitude', version: 1, options: {} },
      pattern: { ...pattern },
      calibration: { samples: 1, seqlen: 1, seed: 0, bos: false },
      skipIndivisible: false,
    },
  });
  try {
    const files = (await tokenizerFiles(EXAMPLE_MODEL)).map(async (file) => {
      const isConfig = file.name === 'tokenizer_config.json' && chatTemplate !== undefined;
      return isConfig ? { ...file, bytes: await configWith(chatTemplate) } : file;
    });
    await writeTokenizerFiles(writer, await Promise.all(files));
    const outer = writer.beginDense();
    for (const tensor of description.outerTensors)
      await writeDense(outer, tensor.name, checkpoint, tensor.name);
    await outer.commit({});
    for (let block = 0; block < description.blocks; block++) {
      await writeBlock(writer, checkpoint, description, block, pattern);
    }
    await writer.finish({ blocks: description.blocks, name });
  } finally {
    await writer.close();
    await checkpoint.close();
  }
}

/** Gives a run other files of its tokenizer, as `esparse prune` does after they have changed in the checkpoint. */
export async function renewTokenizer(
  location: string,
  fingerprint: string,
  change: (files: readonly TokenizerFile[]) => readonly TokenizerFile[],
): Promise<void> {
  const store = await openStore(location);
  const run = await store.openRun(fingerprint);
  const writer = await store.beginRun(fingerprint, run.attributes);
  try {
    await writeTokenizerFiles(writer, change(await readTokenizerFiles(run)));
  } finally {
    await writer.close();
  }
}

async function configWith(template: string): Promise<Uint8Array> {
  const file = path.join(EXAMPLE_MODEL, 'tokenizer_config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  return new TextEncoder().encode(JSON.stringify({ ...config, chat_template: template }));
}

async function writeBlock(
  writer: RunWriter,
  checkpoint: Checkpoint,
  description: ModelDescription,
  block: number,
  pattern: Pattern,
): Promise<void> {
  const transaction = writer.beginBlock(block);
  for (const { name, rows, cols, weight } of description.linears) {
    const bytes = await checkpoint.read(weight(block));
    const scores = (await checkpointWeights(checkpoint).read(weight(block))).map(Math.abs);
    const order = identityOrder(cols);
    const mask = await maskLinear({ scores, rows, cols }, order, pattern);
    const weights = new Uint16Array(bytes.slice().buffer);
    const packed = await packLinear({ dtype: 'bf16', weights, rows, cols }, order, mask, pattern);
    await writeLinear(transaction, name, packed, { keptScore: { before: 1, after: 1 } });
  }
  for (const { name } of description.blockTensors(block)) {
    await writeDense(transaction, densePath(name), checkpoint, name);
  }
  await transaction.commit({ block });
}
