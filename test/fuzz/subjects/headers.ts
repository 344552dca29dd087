import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { openCheckpoint, tokenizerFiles } from '@esparse/checkpoint';
import type { ErrorKind } from '@esparse/errors';
import { describeCheckpoint } from '@esparse/model';
import { REPOSITORY } from '../../support/repository.ts';
import { inShards } from '../in-shards.ts';
import { MutableFolder, type Changes } from '../mutable-folder.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import type { Random } from '../random.ts';
import { BrokenLaw, refusedAs, type Subject, type Trial } from '../subject.ts';

/** What a hostile file may be refused as. */
const KINDS: readonly ErrorKind[] = ['checkpoint', 'unsupported'];
const FIXTURES = path.join(REPOSITORY, 'test/fixtures');
/** Of a GGUF file: metadata, the tokenizer in it and the list of tensors are in its first bytes. */
const GGUF_HEAD_BYTES = 12_000;
const INDEX = 'model.safetensors.index.json';

/**
 * What says what is in a checkpoint: config.json, headers of safetensors, the index of shards, and all of a GGUF file before
 * its data, of every family. Laws: the model is described and its tensors are read, or it is refused by name; nothing is
 * written; and what lies outside of the folder is not read, however sound it is.
 */
export const headers: Subject = {
  async open(home) {
    const folders: MutableFolder[] = [];
    for (const family of await readdir(path.join(FIXTURES, 'transformers'))) {
      const folder = path.join(home, family);
      await cp(path.join(FIXTURES, 'transformers', family), folder, { recursive: true });
      await rm(path.join(folder, 'expected.json'));
      folders.push(await MutableFolder.open(folder));
    }
    const shards = await MutableFolder.open(
      await inShards(path.join(home, 'llama'), path.join(home, 'shards')),
    );
    const files = await readdir(path.join(FIXTURES, 'gguf'), { withFileTypes: true });
    const models = new Map<string, Uint8Array>();
    for (const { name } of files.filter((entry) => entry.isDirectory())) {
      models.set(name, await readFile(path.join(FIXTURES, 'gguf', name, 'model.gguf')));
    }
    await mkdir(path.join(home, 'outside'));
    await mkdir(path.join(home, 'gguf'));
    return {
      try(random) {
        const way = random.int(20);
        if (way < 2) return tryOutside(home, random.chance(0.5) ? shards : random.pick(folders), random);
        if (way < 8) return tryGguf(path.join(home, 'gguf/model.gguf'), models, random);
        const folder = random.chance(0.2) ? shards : random.pick(folders);
        const { changes, what } = folder.choose(random);
        return tryFolder(folder, changes, what, random);
      },
      close: () => Promise.resolve(),
    };
  },
};

async function tryFolder(
  folder: MutableFolder,
  changes: Changes,
  what: string,
  random: Random,
): Promise<Trial> {
  const label = `${path.basename(folder.folder)}: ${what}`;
  await folder.apply(changes);
  try {
    const before = await readdir(folder.folder);
    const outcome = await refusedAs(KINDS, label, () => read(folder.folder, random));
    if (!isDeepStrictEqual(await readdir(folder.folder), before))
      throw new BrokenLaw('files were written', label);
    return { what: label, outcome: outcome ?? 'accepted' };
  } finally {
    await folder.restore(changes);
  }
}

/** A file is where only a link, or a path in the index, leads to. */
async function tryOutside(home: string, folder: MutableFolder, random: Random): Promise<Trial> {
  const file = random.pick([...folder.files.keys()]);
  const outside = `../outside/${file}`;
  await writeFile(path.join(home, 'outside', file), folder.files.get(file)!);
  const index = folder.files.get(INDEX);
  const isNamed = index !== undefined && file.endsWith('.safetensors') && random.chance(0.5);
  const changes: Changes = isNamed
    ? new Map([[INDEX, Buffer.from(Buffer.from(index).toString().replaceAll(file, outside))]])
    : new Map([[file, { link: outside }]]);
  const trial = await tryFolder(folder, changes, `${isNamed ? 'a path' : 'a link'} to ${outside}`, random);
  if (trial.outcome !== 'checkpoint')
    throw new BrokenLaw('a file outside of the folder was read', trial.what);
  return trial;
}

async function tryGguf(
  file: string,
  models: ReadonlyMap<string, Uint8Array>,
  random: Random,
): Promise<Trial> {
  const name = random.pick([...models.keys()]);
  const bytes = models.get(name)!;
  const [head, how] = mutateBytes(bytes.subarray(0, GGUF_HEAD_BYTES), random);
  await writeFile(file, Buffer.concat([head, bytes.subarray(GGUF_HEAD_BYTES)]));
  const what = `${name}.gguf: ${how}`;
  return { what, outcome: (await refusedAs(KINDS, what, () => read(file, random))) ?? 'accepted' };
}

/** Describes the model, and reads one of its tensors and the files of its tokenizer. */
async function read(location: string, random: Random): Promise<void> {
  const checkpoint = await openCheckpoint(location);
  try {
    describeCheckpoint(checkpoint);
    await checkpoint.read(random.pick([...checkpoint.tensors.keys()]));
    await tokenizerFiles(location);
  } finally {
    await checkpoint.close();
  }
}
