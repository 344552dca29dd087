import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '@esparse/checkpoint';
import { describeCheckpoint } from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import { eSparsePipeline } from '@esparse/pipelines';
import { prune } from '@esparse/pruner';
import { configurePipeline } from '@esparse/sparsity';
import { MemoryObjectStore, openObjects, registerScheme, type Location } from '@esparse/storage';
import { openStore } from '@esparse/store';
import { startFakeWorker, type FakeWorker } from '@esparse/testing';
import { scratchFolder } from '../support/folders.ts';
import { objectsOf } from '../support/objects.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

/** All that there is to a further scheme: `memory://NAME` is what a map in this process holds. */
const places = new Map<string, MemoryObjectStore>();

function locationOf(text: string): Location {
  if (!places.has(text)) places.set(text, new MemoryObjectStore());
  const objects = places.get(text)!;
  const location: Location = {
    scheme: 'memory',
    text,
    name: text.slice('memory://'.length),
    absolute: true,
    contains: (other) => other.text === text,
    resolve: () => Promise.resolve(location),
    openFolder: () => Promise.resolve({ location: text, open: (name) => objects.open(name) }),
    openObjects: () => Promise.resolve(objects),
  };
  return location;
}

registerScheme({
  name: 'memory',
  prefixes: ['memory'],
  form: 'memory://NAME',
  writable: true,
  parse: locationOf,
  show: (text) => text,
});

const MODEL = 'memory://llama-2m';
const STORE = 'memory://llama-2m.zarr';

const at = scratchFolder();
let worker: FakeWorker;

beforeAll(async () => {
  const objects = await openObjects(MODEL);
  for (const name of await readdir(EXAMPLE_MODEL)) {
    await objects.put(name, [await readFile(path.join(EXAMPLE_MODEL, name))]);
  }
  const checkpoint = await openCheckpoint(MODEL);
  const { taps } = describeCheckpoint(checkpoint);
  await checkpoint.close();
  worker = await startFakeWorker({
    taps: Object.fromEntries(taps.map(({ name, channels }) => [name, channels])),
  });
});
afterAll(() => worker.close());

const pruned = (model: string, store: string) =>
  prune(
    {
      model,
      store,
      calibration: EXAMPLE_CALIBRATION,
      pipeline: configurePipeline(eSparsePipeline),
      pattern: { keep: 2, group: 4 },
      samples: 4,
      seqlen: 64,
      seed: 0,
      bos: false,
      skipIndivisible: false,
      workers: [worker.address],
    },
    {
      emit: () => undefined,
      startWorker: () => Promise.reject(new Error('a worker is there')),
    },
  );

test('a checkpoint is pruned from, and into, a scheme that this file registers: the same store as in a folder', async () => {
  expect(await pruned(MODEL, STORE)).toMatchObject({ blocks: 4 });
  await pruned(EXAMPLE_MODEL, at('store'));
  expect(await objectsOf(STORE)).toEqual(await objectsOf(at('store')));

  const run = await (await openStore(STORE)).openRun();
  expect(await run.finished()).toBe(true);
  expect(await run.verify()).toEqual([]);
  const checkpoint = await openCheckpoint(MODEL);
  const description = describeCheckpoint(checkpoint);
  await checkpoint.close();
  const weight = description.linears[0]!.weight(0);
  const values = await storeWeights(run, description).read(weight);
  expect(values.filter((value) => value !== 0).length).toBeLessThanOrEqual(values.length / 2);
});

test('a text that is no location names the scheme among those that there are', async () => {
  await expect(openObjects('gs://bucket')).rejects.toMatchObject({
    kind: 'usage',
    hint: expect.stringContaining('memory://NAME'),
  });
});
