import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore, openStore } from './store.ts';
import { FailingObjectStore } from './testing/failing-object-store.ts';
import {
  SAMPLE_ATTRIBUTES,
  SAMPLE_FINGERPRINT,
  SAMPLE_OBJECTS,
  writeSampleRun,
} from './testing/sample-run.ts';
import type { ObjectStore } from '@esparse/storage';
import type { Run } from './run.ts';

const text = (value: string) => Buffer.from(value);
/** One object is changed, one removed, one added. */
const OTHERS = new Map([
  ['tokenizer.json', text('{"model":{"type":"BPE"}}')],
  ['chat_template.jinja', text('{{ messages }}')],
]);

async function put(objects: ObjectStore, folder: ReadonlyMap<string, Uint8Array>): Promise<string[]> {
  const writer = await (await createOrOpenStore(objects)).beginRun(SAMPLE_FINGERPRINT, SAMPLE_ATTRIBUTES);
  try {
    return await writer.putObjects('tokenizer', folder);
  } finally {
    await writer.close();
  }
}

async function finishedRun(): Promise<MemoryObjectStore> {
  const objects = new MemoryObjectStore();
  await writeSampleRun(await createOrOpenStore(objects));
  return objects;
}

/** Every object of a store, as text. */
async function contentOf(objects: ObjectStore): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const key of objects.list(''))
    content[key] = Buffer.from((await objects.get(key))!).toString('latin1');
  return content;
}

/** The objects of the folder by the last part of their paths. */
async function folderOf(run: Run): Promise<Record<string, string>> {
  const folder: Record<string, string> = {};
  for (const path of await run.objects('tokenizer'))
    folder[path.slice(path.lastIndexOf('/') + 1)] = Buffer.from(await run.object(path)).toString();
  return folder;
}

test('a folder of a finished run is renewed, and the store is then the one of a run that had it from the beginning', async () => {
  const objects = await finishedRun();
  const before = await contentOf(objects);
  expect(await put(objects, SAMPLE_OBJECTS)).toEqual([]);
  expect(await contentOf(objects)).toEqual(before);
  expect(await put(objects, OTHERS)).toEqual(['chat_template.jinja', 'tokenizer.json']);
  const run = await (await openStore(objects)).openRun();
  expect(await run.verify()).toEqual([]);
  expect(await folderOf(run)).toEqual({
    'tokenizer.json': '{"model":{"type":"BPE"}}',
    'chat_template.jinja': '{{ messages }}',
  });
  expect(await put(objects, SAMPLE_OBJECTS)).toEqual(['chat_template.jinja', 'tokenizer.json']);
  expect(await contentOf(objects)).toEqual(before);
});

test('wherever a renewal is killed the run is sound, each object old or new, and the next attempt completes it', async () => {
  const done = await finishedRun();
  await put(done, OTHERS);
  const expected = await contentOf(done);
  const old = { 'tokenizer.json': '{"model":{}}', 'chat_template.jinja': '{{ bos }}' };
  const renewed = { 'tokenizer.json': '{"model":{"type":"BPE"}}', 'chat_template.jinja': '{{ messages }}' };
  let killed = 0;
  for (const happens of [false, true]) {
    for (let failAt = 1; ; failAt++) {
      const objects = await finishedRun();
      const failing = new FailingObjectStore(objects, failAt, happens);
      if (
        await put(failing, OTHERS).then(
          () => true,
          () => false,
        )
      )
        break;
      killed++;
      const run = await (await openStore(objects)).openRun();
      expect((await run.verify()).filter(({ severity }) => severity === 'error')).toEqual([]);
      for (const [name, content] of Object.entries(await folderOf(run))) {
        const either = [old[name as keyof typeof old], renewed[name as keyof typeof old]];
        expect(either).toContain(content);
      }
      await put(objects, OTHERS);
      expect(await contentOf(objects)).toEqual(expected);
    }
  }
  expect(killed).toBeGreaterThan(10);
});
