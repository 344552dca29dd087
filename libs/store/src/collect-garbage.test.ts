import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MemoryObjectStore } from '@esparse/storage';
import { collectGarbage, type Collected } from './collect-garbage.ts';
import { createOrOpenStore, openStore, type Store } from './store.ts';
import { FailingObjectStore } from './testing/failing-object-store.ts';
import { contentsOf, onEveryMedium } from './testing/media.ts';
import { putSampleBlock, SAMPLE_ATTRIBUTES, writeSampleRun } from './testing/sample-run.ts';
import { verifyStore } from './verify-store.ts';
import { inTemporaryFolder, treeOf } from '@esparse/laws';

/** A run with block 0 committed, block 1 begun, and hidden states before block 1. */
async function abandonRun(store: Store, fingerprint: string): Promise<void> {
  const writer = await store.beginRun(fingerprint, SAMPLE_ATTRIBUTES);
  const block = writer.beginBlock(0);
  await putSampleBlock(block, 0);
  await block.commit({});
  // What a killed process leaves: a writer that closes takes it back.
  await store.objects.put(`runs/${fingerprint}/blocks/1/q_proj/values/c/0`, [new Uint8Array(5)]);
  const draft = await writer.beginDraft(1);
  await putSampleBlock(draft, 1);
  await draft.commit({});
  await writer.run.hidden.write(1, 0, { data: new Float32Array(6), shape: [1, 3, 2] });
  await writer.close();
}

const kinds = ({ garbage }: Collected) => garbage.map(({ kind, object }) => `${kind} ${object}`).sort();
const NOTHING = { garbage: [], damaged: [] };

test('what an abandoned run left goes, what it committed stays, and it can go on', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await writeSampleRun(store, 'done');
    await abandonRun(store, 'left');
    const removed = await collectGarbage(store);
    expect(kinds(removed)).toEqual([
      'draft runs/left/drafts',
      'hidden runs/left/hidden',
      'uncommitted runs/left/blocks/1',
    ]);
    expect(removed.garbage.every(({ bytes }) => bytes > 0)).toBe(true);
    const run = await store.openRun('left');
    expect(await run.committedBlocks()).toEqual([0]);
    expect(await run.verify()).toEqual([]);
    expect(await collectGarbage(store)).toEqual(NOTHING);
    await writeSampleRun(store, 'left');
    expect(await run.finished()).toBe(true);
  });
});

test('temporary files of writes that were cut off go, wherever they lie', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await writeSampleRun(store, 'done');
    const before = await treeOf(folder);
    for (const place of ['', 'runs/done', 'runs/done/tokenizer'])
      await writeFile(path.join(folder, place, '.esparse-tmp-1'), 'half');
    const removed = await collectGarbage(store);
    expect(kinds(removed)).toEqual([
      'temporary .esparse-tmp-1',
      'temporary runs/done/.esparse-tmp-1',
      'temporary runs/done/tokenizer/.esparse-tmp-1',
    ]);
    expect(removed.garbage.map(({ bytes }) => bytes)).toEqual([4, 4, 4]);
    expect(await treeOf(folder)).toEqual(before);
  });
});

test('a dry run reports the same and changes nothing', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await abandonRun(store, 'left');
    const before = await treeOf(folder);
    const options = { runs: 'all-unfinished' } as const;
    const would = await collectGarbage(store, { ...options, dryRun: true });
    expect(await treeOf(folder)).toEqual(before);
    expect(await collectGarbage(store, options)).toEqual(would);
    expect(await store.runs()).toEqual([]);
  });
});

test('whole runs go only where they are named, and only unfinished ones', async () => {
  const store = await createOrOpenStore(new MemoryObjectStore());
  await writeSampleRun(store, 'old');
  await writeSampleRun(store, 'current');
  await abandonRun(store, 'left');
  await abandonRun(store, 'other');
  for (const fingerprint of ['current', 'old']) {
    await expect(collectGarbage(store, { runs: { fingerprint } })).rejects.toMatchObject({ kind: 'usage' });
  }
  await expect(collectGarbage(store, { runs: { fingerprint: 'none' } })).rejects.toMatchObject({
    kind: 'store',
  });
  const removed = await collectGarbage(store, { runs: { fingerprint: 'left' } });
  expect(kinds(removed)).toContain('run runs/left');
  expect((await store.runs()).map(({ fingerprint }) => fingerprint)).toEqual(['current', 'old', 'other']);
  await collectGarbage(store, { runs: 'all-unfinished' });
  expect((await store.runs()).map(({ fingerprint }) => fingerprint)).toEqual(['current', 'old']);
});

test('nothing is removed while another process writes', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    const writer = await store.beginRun('writing', SAMPLE_ATTRIBUTES);
    await expect(collectGarbage(store, { dryRun: true })).rejects.toMatchObject({ kind: 'locked' });
    await writer.close();
    expect(await collectGarbage(store)).toEqual(NOTHING);
  });
});

onEveryMedium(({ name, make, again }) => {
  test('a removal that is cut off anywhere leaves a sound store, in which the run can go on or is removed', async () => {
    const left = new Set<string>();
    // Where every request takes its time, some of the changes.
    const step = { memory: 1, files: 7, S3: 97 }[name];
    for (const happens of [false, true]) {
      for (let change = 1, whole = false; !whole; change += step) {
        const objects = await make();
        await abandonRun(await createOrOpenStore(objects), 'left');
        const removal = collectGarbage(
          await createOrOpenStore(new FailingObjectStore(objects, change, happens)),
          { runs: 'all-unfinished' },
        );
        whole = await removal.then(
          () => true,
          () => false,
        );
        const store = await openStore(await again(objects));
        const { damages } = await verifyStore(store);
        expect(damages.filter(({ severity }) => severity === 'error')).toEqual([]);
        const [run] = await store.runs();
        left.add(run === undefined ? 'no run' : `a run of ${run.blocks} blocks`);
        expect((await collectGarbage(store, { dryRun: true })).damaged).toEqual([]);
        if (change % 2 === 0) {
          const resumed = await writeSampleRun(store, 'left');
          await resumed.hidden.removeAll();
          expect(await resumed.verify()).toEqual([]);
        } else await collectGarbage(store, { runs: 'all-unfinished' });
        expect((await verifyStore(store)).damages).toEqual([]);
        expect(await collectGarbage(store)).toEqual(NOTHING);
      }
    }
    expect(left.size).toBeGreaterThan(1);
  });
});

describe('what speaks for a run whose own document is missing', () => {
  /** A finished run that is current, one that is finished, and one with a block committed; none has its document. */
  async function makeDamaged(): Promise<Store> {
    const store = await createOrOpenStore(new MemoryObjectStore());
    await writeSampleRun(store, 'finished');
    await writeSampleRun(store, 'served');
    await abandonRun(store, 'left');
    for (const run of ['finished', 'served', 'left']) await store.objects.delete(`runs/${run}/zarr.json`);
    return store;
  }

  test.each([undefined, 'all-unfinished'] as const)(
    'is a reason to leave it, and to name it: %s',
    async (runs) => {
      const store = await makeDamaged();
      const before = await contentsOf(store.objects);
      expect(await collectGarbage(store, { runs })).toEqual({
        garbage: [],
        damaged: [
          {
            run: 'finished',
            message: expect.stringMatching(/zarr\.json is missing, though the run is finished/),
          },
          { run: 'left', message: expect.stringMatching(/parts of the run are committed.*gc --run left/) },
          {
            run: 'served',
            message: expect.stringMatching(/zarr\.json is missing, though the run is finished/),
          },
        ],
      });
      expect(await contentsOf(store.objects)).toEqual(before);
    },
  );

  test('keeps a finished run also where it is named; one that is not goes then', async () => {
    const store = await makeDamaged();
    for (const fingerprint of ['finished', 'served']) {
      await expect(collectGarbage(store, { runs: { fingerprint } })).rejects.toMatchObject({ kind: 'usage' });
    }
    expect(kinds(await collectGarbage(store, { runs: { fingerprint: 'left' } }))).toEqual(['run runs/left']);
    expect(await store.objects.children('runs')).toEqual(['finished', 'served', 'zarr.json']);
  });

  test('is enough for the run that made it to make it whole again', async () => {
    const store = await makeDamaged();
    for (const run of ['finished', 'served', 'left']) await writeSampleRun(store, run);
    expect((await verifyStore(store)).damages).toEqual([]);
  });

  test('may be nothing: then it is what a removal left, and goes', async () => {
    const store = await makeDamaged();
    for (const part of ['dense', 'blocks/0', 'blocks/1'])
      await store.objects.delete(`runs/left/${part}/zarr.json`);
    expect(kinds(await collectGarbage(store))).toEqual(['run runs/left']);
  });
});

test('a run that current names is left, finished or not, and so is one whose document is unreadable', async () => {
  const store = await createOrOpenStore(new MemoryObjectStore());
  await writeSampleRun(store, 'served');
  await abandonRun(store, 'left');
  await store.objects.delete('runs/served/finished.json');
  await store.objects.put('runs/left/zarr.json', [Buffer.from('{')]);
  const before = await contentsOf(store.objects);
  expect((await collectGarbage(store, { runs: 'all-unfinished' })).damaged).toEqual([
    { run: 'left', message: expect.stringContaining('not valid JSON') },
    { run: 'served', message: expect.stringContaining('finished.json is missing, though current names') },
  ]);
  expect(await contentsOf(store.objects)).toEqual(before);
});

test('nothing is removed while current cannot be read: it may name any run', async () => {
  const store = await createOrOpenStore(new MemoryObjectStore());
  await abandonRun(store, 'left');
  await store.objects.put('current', [Buffer.from('?')]);
  await expect(collectGarbage(store)).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining('current'),
  });
});

test('a file in the place of a run is nobody’s business', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await writeSampleRun(store, 'done');
    await writeFile(path.join(folder, 'runs/notes'), 'mine');
    expect(await collectGarbage(store, { runs: 'all-unfinished' })).toEqual(NOTHING);
    expect((await verifyStore(store)).damages).toEqual([]);
    expect(await store.objects.children('runs')).toContain('notes');
  });
});
