import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MemoryObjectStore } from '@esparse/storage';
import { seal, SEAL_PLACE } from './sealed-document.ts';
import { createOrOpenStore, openHidden, openStore } from './store.ts';
import { contentsOf, onEveryMedium } from './testing/media.ts';
import { SAMPLE_ATTRIBUTES, SAMPLE_FINGERPRINT, writeSampleRun } from './testing/sample-run.ts';
import { inTemporaryFolder, treeOf } from '@esparse/laws';

onEveryMedium(({ name, make, again }) => {
  test('a run that was written reads back: attributes, arrays, raw objects, summary', async () => {
    const objects = await make();
    await writeSampleRun(await createOrOpenStore(objects));
    const store = await openStore(await again(objects));
    expect(await store.current()).toBe(SAMPLE_FINGERPRINT);
    const run = await store.openRun();
    expect(run).toMatchObject({ fingerprint: SAMPLE_FINGERPRINT, attributes: SAMPLE_ATTRIBUTES });
    expect(await run.finished()).toBe(true);
    expect(await run.summary()).toEqual({ blocks: 2, kept: 0.5, bytes: expect.any(Number) });
    expect(await run.committedBlocks()).toEqual([0, 1]);
    expect(await run.objects('tokenizer')).toEqual([
      'tokenizer/extra/chat_template.jinja',
      'tokenizer/tokenizer.json',
    ]);
    expect(Buffer.from(await run.object('tokenizer/tokenizer.json')).toString()).toBe('{"model":{}}');

    const block = await run.block(1);
    expect(block.attributes).toEqual({ linears: { q_proj: { kept: 0.5 } } });
    expect(block.groupAttributes('q_proj')).toEqual({ encoding: 'index-v1', rows: 2 });
    expect(block.arrays.get('q_proj/values')).toEqual({
      shape: [1, 3, 2],
      dtype: 'uint16',
      bytes: 12,
      crc32c: expect.stringMatching(/^[0-9a-f]{8}$/),
      attributes: { dtype: 'bf16' },
    });
    const values = await block.readAs('q_proj/values', 'uint16');
    expect(values.data).toEqual(Uint16Array.from([1, 2, 3, 65535, 1, 6]));
    expect(values.data.buffer.byteLength).toBe(12);
    expect((await block.read('q_proj/permutation')).data).toEqual(Int32Array.from([3, -1, 2, 1]));
    expect((await block.read('attn_in/entropy')).data).toEqual(Float32Array.from([0.5, -0, 1e-40]));
    expect(await block.read('attn_in/none')).toMatchObject({ data: new Float32Array(0), shape: [0, 3] });
    expect(await block.read('input_layernorm')).toMatchObject({ data: Uint16Array.from([1]), shape: [] });
    // Files are there to be mapped.
    const file = block.chunkFile?.('q_proj/values');
    const key = `runs/${SAMPLE_FINGERPRINT}/blocks/1/q_proj/values/c/0/0/0`;
    expect(file).toBe(name === 'files' ? path.join(objects.describe(), key) : undefined);
    expect((await run.dense()).attributes).toEqual({ tied: true });
  });

  test('a finished run is resumed without a change, and made current again', async () => {
    const objects = await make();
    const store = await createOrOpenStore(objects);
    await writeSampleRun(store, 'a1');
    await writeSampleRun(store, 'a2');
    const before = await contentsOf(objects);
    before.delete('current');
    await writeSampleRun(store, 'a1');
    expect(await store.current()).toBe('a1');
    const after = await contentsOf(objects);
    after.delete('current');
    expect(after).toEqual(before);
  });

  test('the same fingerprint with other attributes is refused, naming them', async () => {
    const store = await createOrOpenStore(await make());
    await writeSampleRun(store);
    await expect(
      store.beginRun(SAMPLE_FINGERPRINT, { ...SAMPLE_ATTRIBUTES, pattern: { keep: 1, group: 4 } }),
    ).rejects.toMatchObject({ kind: 'store', message: expect.stringContaining('(pattern)') });
  });

  test('a run cannot finish before everything is committed, and says what is not', async () => {
    const store = await createOrOpenStore(await make());
    const writer = await store.beginRun('a1', {});
    await writer.beginBlock(1).commit({});
    await expect(writer.finish({ blocks: 3 })).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('not committed: block 0, block 2, dense'),
    });
    expect(await store.current()).toBeUndefined();
    expect(await writer.run.finished()).toBe(false);
    await writer.close();
    await expect(store.openRun()).rejects.toMatchObject({
      message: expect.stringContaining('no current run'),
      hint: expect.stringContaining('a1'),
    });
  });

  test('raw objects live in folders of their own, which are written one after another', async () => {
    const store = await createOrOpenStore(await make());
    const writer = await store.beginRun('a1', {});
    const put = (...names: string[]) =>
      writer.putObjects('tokenizer', new Map(names.map((name) => [name, Buffer.from(name)])));
    expect(await Promise.all([put('0.json'), put('0.json', '1.json'), put('0.json', '1.json')])).toEqual([
      ['0.json'],
      ['1.json'],
      [],
    ]);
    expect(await writer.run.objects('tokenizer')).toHaveLength(2);
    await expect(writer.run.object('tokenizer/none')).rejects.toMatchObject({
      kind: 'store',
      hint: expect.stringContaining('tokenizer/0.json'),
    });
    const putOne = (folder: string, name: string) =>
      writer.putObjects(folder, new Map([[name, new Uint8Array(1)]]));
    for (const [folder, name] of [
      ['blocks', '0/zarr.json'],
      ['dense', 'x'],
      ['hidden', '0/0'],
      ['drafts', '0/x'],
      ['tokenizer', 'zarr.json'],
    ] as const) {
      await expect(putOne(folder, name)).rejects.toMatchObject({ kind: 'usage' });
    }
    await expect(putOne('tokenizer', '../../x')).rejects.toMatchObject({ kind: 'store' });
    await writer.close();
  });

  test('a draft of a block is whole or absent, may be made anew, and is none of the run', async () => {
    const store = await createOrOpenStore(await make());
    const writer = await store.beginRun('a1', {});
    const drafted = async (value: number) => {
      const draft = await writer.beginDraft(3);
      await expect(writer.run.draft(3)).rejects.toMatchObject({ kind: 'store' });
      await draft.putArray('x', { data: Uint8Array.of(value), shape: [1] });
      await draft.commit({});
      return (await (await writer.run.draft(3)).readAs('x', 'uint8')).data[0];
    };
    expect([await drafted(1), await drafted(2)]).toEqual([1, 2]);
    expect([await writer.run.committedBlocks(), await writer.run.verify()]).toEqual([[], []]);
    await writer.removeDrafts();
    await expect(writer.run.draft(3)).rejects.toMatchObject({ kind: 'store' });
    await writer.close();
  });

  test('a run is found by the first letters of its fingerprint, if they are enough', async () => {
    const store = await createOrOpenStore(await make());
    for (const fingerprint of ['abc1', 'abc2', 'abc', 'b77']) await writeSampleRun(store, fingerprint);
    expect((await store.openRun('b')).fingerprint).toBe('b77');
    expect((await store.openRun('abc')).fingerprint).toBe('abc');
    expect((await store.openRun()).fingerprint).toBe('b77');
    await expect(store.openRun('ab')).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('3 runs begin with ab: abc, abc1, abc2'),
    });
    await expect(store.openRun('x')).rejects.toMatchObject({
      hint: expect.stringContaining('abc, abc1, abc2, b77'),
    });
    for (const hostile of ['', '..', '../runs', 'a/b']) {
      await expect(store.openRun(hostile)).rejects.toMatchObject({ kind: 'store' });
      await expect(store.beginRun(hostile, {})).rejects.toMatchObject({ kind: 'store' });
    }
  });

  test('the list of runs says how far each has come, and which cannot be read', async () => {
    const objects = await make();
    const store = await createOrOpenStore(objects);
    await writeSampleRun(store, 'a1');
    await (await store.beginRun('a2', { x: 1 })).close();
    await objects.put('runs/a3/zarr.json', [Buffer.from('{')]);
    expect(await store.runs()).toMatchObject([
      {
        fingerprint: 'a1',
        current: true,
        finished: true,
        blocks: 2,
        attributes: SAMPLE_ATTRIBUTES,
        damage: undefined,
      },
      {
        fingerprint: 'a2',
        current: false,
        finished: false,
        blocks: 0,
        attributes: { x: 1 },
        damage: undefined,
      },
      {
        fingerprint: 'a3',
        current: false,
        finished: false,
        blocks: 0,
        attributes: {},
        damage: expect.stringContaining('runs/a3/zarr.json'),
      },
    ]);
  });

  test('hidden states are reached without the writer’s lock', async () => {
    const objects = await make();
    const writer = await (await createOrOpenStore(objects)).beginRun('a1', {});
    const { hidden } = await openHidden(await again(objects), 'a1');
    await hidden.write(0, 3, { data: Float32Array.from([1, 2]), shape: [1, 1, 2] });
    expect((await writer.run.hidden.read(0, 3)).data).toEqual(Float32Array.from([1, 2]));
    await writer.close();
    await expect(openHidden(objects, 'a2')).rejects.toMatchObject({ kind: 'store' });
  });
});

test('two runs of the same work are the same bytes, and nothing else is left in the folder', async () => {
  await inTemporaryFolder(async (root) => {
    const trees: Map<string, string>[] = [];
    for (const name of ['a', 'b']) {
      const run = await writeSampleRun(await createOrOpenStore(path.join(root, name)));
      await run.hidden.write(0, 0, { data: new Float32Array(2), shape: [1, 1, 2] });
      await run.hidden.removeAll();
      trees.push(await treeOf(path.join(root, name)));
    }
    expect(trees[0]).toEqual(trees[1]);
    expect([...trees[0]!.keys()].filter((name) => name.includes('.esparse'))).toEqual([]);
  });
});

test('a folder with other things in it is refused; one that is empty, or a fresh volume, becomes a store', async () => {
  await inTemporaryFolder(async (root) => {
    await writeFile(path.join(root, 'thesis.tex'), '');
    await expect(createOrOpenStore(root)).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('not empty'),
      hint: expect.stringContaining('thesis.tex'),
    });
    await mkdir(path.join(root, 'volume/lost+found'), { recursive: true });
    await createOrOpenStore(path.join(root, 'volume'));
    expect(await (await openStore(path.join(root, 'volume'))).runs()).toEqual([]);
  });
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a folder that no system would make is refused at once', async () => {
  // Node's own recursive mkdir never returns here.
  await expect(createOrOpenStore('/proc/esparse/none')).rejects.toMatchObject({
    message: expect.stringContaining('/proc/esparse'),
  });
});

test('a store below folders that are not there yet is made with them', async () => {
  await inTemporaryFolder(async (root) => {
    await writeSampleRun(await createOrOpenStore(path.join(root, 'a/b/c')));
    expect((await (await openStore(path.join(root, 'a/b/c'))).runs()).length).toBe(1);
  });
});

test('what is no store is not opened to read, and no folder is made', async () => {
  await inTemporaryFolder(async (root) => {
    for (const place of [root, path.join(root, 'absent')]) {
      await expect(openStore(place)).rejects.toMatchObject({
        kind: 'store',
        message: expect.stringContaining('not an esparse store'),
      });
    }
    expect(await treeOf(root)).toEqual(new Map());
  });
});

test('a store of a newer format is opened neither to read nor to write', async () => {
  const objects = new MemoryObjectStore();
  const esparse = { format: 2, seal: SEAL_PLACE };
  await objects.put('zarr.json', [
    seal({ zarr_format: 3, node_type: 'group', attributes: { esparse } }, 'x'),
  ]);
  const newer = { kind: 'store', message: expect.stringMatching(/format 2.*format 1/) };
  await expect(openStore(objects)).rejects.toMatchObject(newer);
  await expect(createOrOpenStore(objects)).rejects.toMatchObject(newer);
});
