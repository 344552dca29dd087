import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MemoryObjectStore } from '@esparse/storage';
import { collectGarbage } from './collect-garbage.ts';
import { createOrOpenStore, type Store } from './store.ts';
import { FailingObjectStore } from './testing/failing-object-store.ts';
import { putSampleBlock, SAMPLE_ATTRIBUTES, writeSampleRun } from './testing/sample-run.ts';
import { inTemporaryFolder, treeOf } from '@esparse/laws';

/** A run with block 0 committed, block 1 begun, and hidden states before block 1. */
async function abandonRun(store: Store, fingerprint: string): Promise<void> {
  const writer = await store.beginRun(fingerprint, SAMPLE_ATTRIBUTES);
  const block = writer.beginBlock(0);
  await putSampleBlock(block, 0);
  await block.commit({});
  // What a killed process leaves: a writer that closes takes it back.
  await store.objects.put(`runs/${fingerprint}/blocks/1/q_proj/values/c/0`, [new Uint8Array(5)]);
  await writer.run.hidden.write(1, 0, { data: new Float32Array(6), shape: [1, 3, 2] });
  await writer.close();
}

const kinds = (garbage: readonly { readonly kind: string; readonly object: string }[]) =>
  garbage.map(({ kind, object }) => `${kind} ${object}`).sort();

test('what an abandoned run left goes, what it committed stays, and it can go on', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await writeSampleRun(store, 'done');
    await abandonRun(store, 'left');
    const removed = await collectGarbage(store);
    expect(kinds(removed)).toEqual(['hidden runs/left/hidden', 'uncommitted runs/left/blocks/1']);
    expect(removed.every(({ bytes }) => bytes > 0)).toBe(true);
    const run = await store.openRun('left');
    expect(await run.committedBlocks()).toEqual([0]);
    expect(await run.verify()).toEqual([]);
    expect(await collectGarbage(store)).toEqual([]);
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
    expect(removed.map(({ bytes }) => bytes)).toEqual([4, 4, 4]);
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
    expect(await collectGarbage(store)).toEqual([]);
  });
});

test('a removal that is cut off anywhere leaves no block that looks committed and is not', async () => {
  const made = new MemoryObjectStore();
  await abandonRun(await createOrOpenStore(made), 'left');
  for (let change = 1; ; change++) {
    const objects = new MemoryObjectStore();
    for (const [key, bytes] of made.objects) objects.objects.set(key, bytes);
    const store = await createOrOpenStore(new FailingObjectStore(objects, change, true));
    const removal = collectGarbage(store, { runs: 'all-unfinished' });
    const whole = await removal.then(
      () => true,
      () => false,
    );
    for (const { fingerprint } of await store.runs()) {
      const damage = await (await store.openRun(fingerprint)).verify();
      expect(damage.filter(({ severity }) => severity === 'error')).toEqual([]);
    }
    if (whole) {
      expect(change).toBeGreaterThan(2);
      break;
    }
  }
});

test('a folder of a run whose document is missing is no run any more, and is removed', async () => {
  await inTemporaryFolder(async (folder) => {
    const store = await createOrOpenStore(folder);
    await abandonRun(store, 'left');
    await store.objects.delete('runs/left/zarr.json');
    expect(kinds(await collectGarbage(store))).toEqual(['run runs/left']);
    expect(await store.objects.children('runs')).toEqual(['zarr.json']);
  });
});
