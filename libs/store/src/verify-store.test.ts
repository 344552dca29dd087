import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, type Store } from './store.ts';
import { putSampleBlock, SAMPLE_ATTRIBUTES, writeSampleRun } from './testing/sample-run.ts';
import { verifyStore } from './verify-store.ts';

async function storeOf(...runs: string[]): Promise<Store> {
  const store = await createOrOpenStore(new MemoryObjectStore());
  for (const run of runs) await writeSampleRun(store, run);
  return store;
}

const put = (store: Store, key: string, text: string) => store.objects.put(key, [Buffer.from(text)]);
const faults = async (store: Store, run?: string) =>
  (await verifyStore(store, { run })).damages.map(({ run: of, severity, problem, object }) => [
    of,
    severity,
    problem,
    object,
  ]);

test('a sound store has no damage: empty, with a run that has not finished, with several', async () => {
  expect(await verifyStore(await storeOf())).toEqual({ runs: [], objects: 0, damages: [] });
  const store = await storeOf('a1', 'a2');
  await (await store.beginRun('a3', SAMPLE_ATTRIBUTES)).close();
  const { runs, objects, damages } = await verifyStore(store);
  expect({ runs, damages }).toEqual({ runs: ['a1', 'a2', 'a3'], damages: [] });
  expect(objects).toBeGreaterThan(60);
});

test('a run without its own document is damaged, whatever speaks for it', async () => {
  const store = await storeOf('a1', 'a2');
  await store.objects.delete('runs/a1/zarr.json');
  const missing = [['a1', 'error', 'missing', 'runs/a1/zarr.json']];
  expect(await faults(store)).toEqual(missing);
  expect(await faults(store, 'a1')).toEqual(missing);
  await store.objects.delete('runs/a1/finished.json');
  expect(await faults(store)).toEqual(missing);
});

test('current must be there once a run has finished, name one that is there, and be readable', async () => {
  const store = await storeOf('a1');
  const sound = (await store.objects.get('current'))!;
  await store.objects.delete('current');
  expect(await faults(store)).toEqual([[undefined, 'error', 'missing', 'current']]);
  await put(store, 'current', '?');
  expect(await faults(store)).toEqual([['a1', 'error', 'document', 'current']]);
  await store.objects.put('current', [sound]);
  await store.objects.deletePrefix('runs/a1');
  const { damages } = await verifyStore(store);
  expect(damages).toEqual([
    {
      severity: 'error',
      problem: 'document',
      object: 'current',
      message: expect.stringContaining('names the run a1, which is not there'),
    },
  ]);
});

test('the run that is finished again mends current, missing or damaged', async () => {
  for (const text of [undefined, '?']) {
    const store = await storeOf('a1');
    await store.objects.delete('current');
    if (text !== undefined) await put(store, 'current', text);
    await writeSampleRun(store, 'a1');
    expect((await verifyStore(store)).damages).toEqual([]);
    expect(await store.current()).toBe('a1');
  }
});

test('what a removal left that was cut off is a warning', async () => {
  const store = await storeOf('a1');
  await put(store, 'runs/a2/tokenizer/tokenizer.json', '{}');
  expect(await faults(store)).toEqual([[undefined, 'warning', 'unlisted', 'runs/a2']]);
});

test('beside a writer nothing that it is making is damage, nor what it commits meanwhile', async () => {
  const objects = new MemoryObjectStore();
  const store = await createOrOpenStore(objects);
  const writer = await store.beginRun('a1', SAMPLE_ATTRIBUTES);
  const commit = async (k: number) => {
    const block = writer.beginBlock(k);
    await putSampleBlock(block, k);
    await block.commit({});
  };
  await commit(0);
  const making = writer.beginBlock(1);
  await putSampleBlock(making, 1);
  const dense = writer.beginDense();
  await dense.putArray('embedding', { data: new Uint16Array(4), shape: [2, 2] });
  await put(store, 'runs/a1/tokenizer/tokenizer.json', '{}');
  await put(store, 'runs/a1/notes.txt', 'mine');
  await put(store, 'runs/a1/blocks/0/notes.txt', 'mine');
  // The second block is committed after its commit was looked for, and before its objects are listed.
  const { list } = objects;
  jest.spyOn(objects, 'list').mockImplementation(async function* (folder) {
    const isTime =
      folder === 'runs/a1' && (await store.objects.size('runs/a1/blocks/1/zarr.json')) === undefined;
    if (isTime) await making.commit({});
    yield* list.call(objects, folder);
  });
  expect(await faults(store)).toEqual([
    ['a1', 'warning', 'unlisted', 'runs/a1/blocks/0/notes.txt'],
    ['a1', 'warning', 'unlisted', 'runs/a1/notes.txt'],
  ]);
  await writer.close();
});
