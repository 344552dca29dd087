import * as zarr from 'zarr';
import { MemoryObjectStore } from '@esparse/storage';
import { MAX_JSON_BYTES } from './limits.ts';
import { createOrOpenStore } from './store.ts';
import { writeSampleRun } from './testing/sample-run.ts';
import { zarrView } from './testing/zarr-view.ts';

test('zarrita opens every node with its own code and reads every array as we do', async () => {
  const objects = new MemoryObjectStore();
  const run = await writeSampleRun(await createOrOpenStore(objects));
  const root = zarr.root(zarrView(objects));
  for (const path of ['/', 'runs', `runs/${run.fingerprint}`, `runs/${run.fingerprint}/tokenizer`]) {
    expect((await zarr.open.v3(root.resolve(path), { kind: 'group' })).attrs).toHaveProperty('esparse');
  }
  const groups = { dense: await run.dense(), 'blocks/0': await run.block(0), 'blocks/1': await run.block(1) };
  let arrays = 0;
  for (const [folder, group] of Object.entries(groups)) {
    const location = root.resolve(`runs/${run.fingerprint}/${folder}`);
    expect((await zarr.open.v3(location, { kind: 'group' })).attrs).toHaveProperty('esparse.objects');
    for (const [path, info] of group.arrays) {
      const array = await zarr.open.v3(location.resolve(path), { kind: 'array' });
      const ours = await group.read(path);
      expect({ shape: array.shape, dtype: array.dtype, attributes: array.attrs }).toEqual({
        shape: info.shape,
        dtype: info.dtype,
        attributes: info.attributes,
      });
      const chunk = await array.getChunk(info.shape.map(() => 0));
      // An array without elements has no chunk: zarrita fills one up.
      if (ours.data.length > 0) expect(chunk.data).toEqual(ours.data);
      arrays++;
    }
  }
  expect(arrays).toBe(13);
});

test('an intermediate group opens as a group with the attributes that it was given', async () => {
  const objects = new MemoryObjectStore();
  const run = await writeSampleRun(await createOrOpenStore(objects));
  const block = zarr.root(zarrView(objects)).resolve(`runs/${run.fingerprint}/blocks/0`);
  expect((await zarr.open.v3(block.resolve('q_proj'), { kind: 'group' })).attrs).toEqual({
    encoding: 'index-v1',
    rows: 2,
  });
  expect((await zarr.open.v3(block.resolve('attn_in'), { kind: 'group' })).attrs).toEqual({});
});

test('the view serves ranges from the start and from the end', async () => {
  const objects = new MemoryObjectStore();
  await objects.put('a', [Uint8Array.from([1, 2, 3, 4])]);
  const view = zarrView(objects);
  expect(await view.getRange('/a', { offset: 1, length: 2 })).toEqual(Uint8Array.from([2, 3]));
  expect(await view.getRange('/a', { suffixLength: 3 })).toEqual(Uint8Array.from([2, 3, 4]));
  expect(await view.getRange('/a', { suffixLength: MAX_JSON_BYTES })).toEqual(Uint8Array.from([1, 2, 3, 4]));
  expect(await view.getRange('/b', { suffixLength: 3 })).toBeUndefined();
});
