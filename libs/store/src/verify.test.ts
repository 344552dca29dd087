import fc from 'fast-check';
import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, openStore } from './store.ts';
import { SAMPLE_FINGERPRINT, writeSampleRun } from './testing/sample-run.ts';
import { verifyRun, type Damage, type VerifyProgress } from './verify.ts';

const RUN = `runs/${SAMPLE_FINGERPRINT}`;

async function sampleStore(): Promise<MemoryObjectStore> {
  const objects = new MemoryObjectStore();
  await writeSampleRun(await createOrOpenStore(objects));
  return objects;
}

const verify = (objects: MemoryObjectStore): Promise<Damage[]> => verifyRun(objects, SAMPLE_FINGERPRINT);

test('a sound run has no damage, and the progress ends at its total', async () => {
  const objects = await sampleStore();
  const seen: VerifyProgress[] = [];
  const run = await (await openStore(objects)).openRun();
  expect(await run.verify((progress) => seen.push(progress))).toEqual([]);
  const last = seen.at(-1)!;
  expect(last).toEqual({ ...last, objects: last.totalObjects, bytes: last.totalBytes });
  // Everything but what finished.json does not list: itself and the three documents of the store.
  expect(last.totalObjects).toBe(objects.objects.size - 4);
});

test('a flip of any bit of any object is found, and blamed on that object alone', async () => {
  const objects = await sampleStore();
  const places = [...objects.objects].flatMap(([key, { byteLength }]) =>
    Array.from({ length: byteLength }, (_, at) => ({ key, at })),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places), fc.nat(7), async ({ key, at }, bit) => {
      const bytes = objects.objects.get(key)!;
      bytes[at]! ^= 1 << bit;
      try {
        const damage = (await verify(objects)).filter(({ severity }) => severity === 'error');
        expect(damage.map(({ object }) => object)).toEqual([key]);
        expect(damage[0]?.message).toContain(key.split('/').slice(-2).join('/'));
      } finally {
        bytes[at]! ^= 1 << bit;
      }
    }),
    { seed: 5, numRuns: 400 },
  );
});

test('every object that is cut, grown or removed is found', async () => {
  const objects = await sampleStore();
  for (const [key, bytes] of [...objects.objects]) {
    const damaged = [
      bytes.slice(0, -1),
      Buffer.concat([bytes, Buffer.from(' ')]),
      new Uint8Array(0),
      undefined,
    ];
    for (const other of damaged) {
      if (other === undefined) objects.objects.delete(key);
      else objects.objects.set(key, other);
      const damage = (await verify(objects)).filter(({ severity }) => severity === 'error');
      // Nothing says that a run should be served once the object that says so is removed.
      const expected = key === 'current' && other === undefined ? [] : [key];
      expect(damage.map(({ object }) => object)).toEqual(expected);
    }
    objects.objects.set(key, bytes);
  }
  expect(await verify(objects)).toEqual([]);
});

test('damage names its block', async () => {
  const objects = await sampleStore();
  const key = `${RUN}/blocks/1/q_proj/values/c/0/0/0`;
  objects.objects.get(key)![0]! ^= 1;
  expect(await verify(objects)).toEqual([
    {
      severity: 'error',
      problem: 'checksum',
      object: key,
      block: 1,
      message: 'block 1: q_proj/values/c/0/0/0 is damaged: its checksum does not match',
    },
  ]);
  const block = await (await (await openStore(objects)).openRun()).block(1);
  await expect(block.read('q_proj/values')).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining(`run ${SAMPLE_FINGERPRINT}, block 1: array q_proj/values is damaged`),
  });
});

test('what is in no manifest is a warning, hidden states and drafts excepted', async () => {
  const objects = await sampleStore();
  await objects.put(`${RUN}/blocks/1/q_proj/notes.txt`, [new Uint8Array(1)]);
  await objects.put(`${RUN}/blocks/7/x/c/0`, [new Uint8Array(1)]);
  for (const hidden of ['hidden', 'hidden-dense', 'drafts'])
    await objects.put(`${RUN}/${hidden}/0/0/c/0`, [new Uint8Array(1)]);
  const damage = await verify(objects);
  expect(damage.map(({ severity, problem, object }) => [severity, problem, object])).toEqual([
    ['warning', 'unlisted', `${RUN}/blocks/1/q_proj/notes.txt`],
    ['warning', 'unlisted', `${RUN}/blocks/7/x/c/0`],
  ]);
});

test('a run that is not finished is verified as far as it is committed', async () => {
  const objects = new MemoryObjectStore();
  const writer = await (await createOrOpenStore(objects)).beginRun('a1', {});
  const block = writer.beginBlock(4);
  await block.putArray('x', { data: new Uint8Array(9), shape: [9] });
  await block.commit({});
  await writer.close();
  expect(await writer.run.verify()).toEqual([]);
  objects.objects.get('runs/a1/blocks/4/x/c/0')![3]! ^= 1;
  expect(await writer.run.verify()).toMatchObject([{ problem: 'checksum', block: 4 }]);
});

test('a verification can be cancelled', async () => {
  const run = await (await openStore(await sampleStore())).openRun();
  await expect(run.verify(undefined, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
});
