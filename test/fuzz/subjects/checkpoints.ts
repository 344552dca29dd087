import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import type { ErrorKind } from '@esparse/errors';
import { perplexity } from '@esparse/evaluation';
import { describeCheckpoint } from '@esparse/model';
import { CPU } from '@esparse/onnx';
import { REPOSITORY } from '../../support/repository.ts';
import { inShards } from '../in-shards.ts';
import { MutableFolder } from '../mutable-folder.ts';
import { refusedAs, type Subject } from '../subject.ts';

/** What a damaged or hostile checkpoint may be refused as; 'usage' where its sequences are shorter than the text's. */
const KINDS: readonly ErrorKind[] = ['checkpoint', 'unsupported', 'numeric', 'usage'];
const FIXTURES = [
  'families/llama',
  'families/mistral',
  'families/opt',
  'families/qwen2',
  'transformers/gpt-oss-mxfp4',
];
/** Two windows of a few tokens that every vocabulary has. */
const TOKENS = Uint32Array.of(1, 5, 3, 2, 7, 4, 1, 6);
const SEQLEN = 4;

/**
 * Small checkpoints of some families, one with blocks of MXFP4, and one in shards. Law: a checkpoint is read whole and runs in ONNX Runtime, or it is
 * refused by name.
 */
export const checkpoints: Subject = {
  async open(home) {
    const folders: MutableFolder[] = [];
    for (const fixture of FIXTURES) {
      const folder = path.join(home, path.basename(fixture));
      await cp(path.join(REPOSITORY, 'test/fixtures', fixture), folder, { recursive: true });
      await rm(path.join(folder, 'expected.json'));
      folders.push(await MutableFolder.open(folder));
    }
    folders.push(await MutableFolder.open(await inShards(folders[0]!.folder, path.join(home, 'shards'))));
    return {
      async try(random) {
        const folder = random.pick(folders);
        const { changes, what } = folder.choose(random);
        const label = `${path.basename(folder.folder)}: ${what}`;
        await folder.apply(changes);
        try {
          return {
            what: label,
            outcome: (await refusedAs(KINDS, label, () => run(folder.folder))) ?? 'accepted',
          };
        } finally {
          await folder.restore(changes);
        }
      },
      close: () => Promise.resolve(),
    };
  },
};

async function run(location: string): Promise<void> {
  const checkpoint = await openCheckpoint(location);
  try {
    const description = describeCheckpoint(checkpoint);
    for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
    const weights = checkpointWeights(checkpoint);
    await perplexity({ description, weights, tokens: TOKENS, seqlen: SEQLEN, threads: 1, device: CPU });
  } finally {
    await checkpoint.close();
  }
}
