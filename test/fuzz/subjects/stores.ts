import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openEngine } from '@esparse/engine';
import type { ErrorKind } from '@esparse/errors';
import { describeModel } from '@esparse/model';
import { inspectBlocks, readRunAttributes, readTokenizerFiles } from '@esparse/model-store';
import { collectGarbage, createOrOpenStore, openStore, verifyStore } from '@esparse/store';
import { writeRandomStore } from '../../support/random-store.ts';
import { forge } from '../forge.ts';
import { MutableFolder, type Changes } from '../mutable-folder.ts';
import type { Random } from '../random.ts';
import { BrokenLaw, refusedAs, type Subject } from '../subject.ts';

/** The smallest LLaMA whose linears 2:4 and the kernel's tiles of 16 rows do not fit evenly. */
const SHAPE = { hidden: 24, intermediate: 40, blocks: 1, heads: 2, kvHeads: 1, vocab: 300 };
/** What a damaged or hostile store may be refused as. */
const KINDS: readonly ErrorKind[] = ['store', 'unsupported', 'checkpoint', 'numeric'];
const FINISHED = 'random-24';
const UNFINISHED = 'unfinished';

/**
 * A store with a finished run and one that was killed. Half of the mutations are damage, half are forged: their checksums
 * agree. Laws: every reader takes it or refuses it by name, and damage of the finished run is never called sound.
 */
export const stores: Subject = {
  async open(home) {
    const location = path.join(home, 'store');
    await writeRandomStore(location, SHAPE, '2:4');
    await beginAnother(location);
    const folder = await MutableFolder.open(location);
    return {
      async try(random) {
        const { changes, what } = folder.choose(random);
        const forged = random.chance(0.5);
        if (forged) await forge(folder.files, changes);
        await folder.apply(changes);
        try {
          const label = `${forged ? 'forged' : 'damaged'}: ${what}`;
          return {
            what: label,
            outcome: await read(location, label, !forged && ofFinished(changes), random),
          };
        } finally {
          await folder.restore(changes);
        }
      },
      close: () => Promise.resolve(),
    };
  },
};

/** A run whose process was killed: the first block is committed, hidden states wait, a block is in the making. */
async function beginAnother(location: string): Promise<void> {
  const store = await createOrOpenStore(location);
  const writer = await store.beginRun(UNFINISHED, (await store.openRun(FINISHED)).attributes);
  await writer.putObjects('tokenizer', new Map([['tokenizer.json', Buffer.from('{}')]]));
  const data = new Uint16Array(24).fill(0x3f80);
  const first = writer.beginBlock(0);
  await first.putArray('dense/norm', { data, shape: [24], attributes: { dtype: 'bf16', tensor: 'norm' } });
  await first.commit({ block: 0 });
  await writer.run.hidden.write(1, 0, { data: new Float32Array(2 * 4 * 24), shape: [2, 4, 24] });
  await writer.close();
  const half = path.join(location, 'runs', UNFINISHED, 'blocks/1/dense/norm');
  await mkdir(half, { recursive: true });
  await writeFile(path.join(half, 'zarr.json'), '{}');
}

/** Whether the manifests of the finished run, or the store's own documents, speak for a file that has changed. */
function ofFinished(changes: Changes): boolean {
  return [...changes.keys()].some((key) => !key.startsWith(`runs/${UNFINISHED}/`));
}

/** Verifies the store, then does one of the other things that people do with one. */
async function read(location: string, what: string, isDamage: boolean, random: Random): Promise<string> {
  const found = { sound: true };
  const refused = await refusedAs(KINDS, what, async () => {
    found.sound = await isSound(location);
  });
  if (refused === undefined && found.sound && isDamage) {
    throw new BrokenLaw('a damaged store is called sound', what);
  }
  await refusedAs(KINDS, what, () => random.pick(READERS)(location));
  return refused ?? (found.sound ? 'sound' : 'damaged');
}

const READERS = [inspect, generate, generate, listGarbage];

async function isSound(location: string): Promise<boolean> {
  const { damages } = await verifyStore(await openStore(location));
  return damages.every(({ severity }) => severity !== 'error');
}

async function listGarbage(location: string): Promise<void> {
  await collectGarbage(await openStore(location), { runs: 'all-unfinished', dryRun: true });
}

async function inspect(location: string): Promise<void> {
  const store = await openStore(location);
  for (const { fingerprint } of await store.runs()) {
    const run = await store.openRun(fingerprint);
    const { config } = readRunAttributes(run.attributes);
    await inspectBlocks(run, describeModel(config));
    await readTokenizerFiles(run);
    for (const shard of await run.hidden.shards(1)) await run.hidden.read(1, shard);
  }
}

async function generate(store: string): Promise<void> {
  const engine = await openEngine({ store, threads: 1, maxContext: 16, maxStepTokens: 4, kvBytes: 1 << 20 });
  try {
    const sequence = engine.reserve(8)!;
    await engine.step([{ sequence, tokens: Uint32Array.of(1, 2), want: 'lastLogits' }]);
  } finally {
    await engine.close();
  }
}
