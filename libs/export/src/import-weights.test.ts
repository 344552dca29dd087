import { openCheckpoint, tensorToHalf, writeCheckpoint } from '@esparse/checkpoint';
import { inTemporaryFolder } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { runTensors } from '@esparse/model-store';
import { MemoryObjectStore } from '@esparse/storage';
import { openStore, type Run, type Store } from '@esparse/store';
import path from 'node:path';
import { exportRun } from './export-run.ts';
import { masks } from './formats/masks.ts';
import { safetensors } from './formats/safetensors.ts';
import { importWeights } from './import-weights.ts';
import { FIXTURES, prunedRun } from './testing/pruned-run.ts';

const DENSE = ['k_proj'];
let objects: MemoryObjectStore;
let store: Store;
let base: Run;

/** Phi-3 keeps q, k and v in one tensor; k is left dense here. */
beforeEach(async () => {
  objects = new MemoryObjectStore();
  base = await prunedRun(path.join(FIXTURES, 'phi3'), { dense: DENSE, objects });
  store = await openStore(objects);
});

/** Writes an export again with every weight changed by `tune`, given its bits and whether it is kept. */
async function tuned(home: string, tune: (bits: number, kept: boolean) => number): Promise<string> {
  const [exported, held, out] = ['export', 'masks', 'tuned'].map((name) => path.join(home, name)) as [
    string,
    string,
    string,
  ];
  await exportRun({ run: base, format: safetensors, out: exported });
  await exportRun({ run: base, format: masks, out: held });
  const checkpoint = await openCheckpoint(exported);
  const description = describeModel(checkpoint.config);
  const tensors = runTensors(base, description);
  const kept = new Map<string, Uint8Array>();
  for (let block = 0; block < description.blocks; block++) {
    for (const { name, parts } of description.fusedTensors!(block)) {
      const all = parts.map(async (part) => {
        const { shape } = await tensors.info(part.name);
        return (await tensors.mask(part.name)) ?? new Uint8Array(shape[0]! * shape[1]!).fill(1);
      });
      kept.set(name, Buffer.concat(await Promise.all(all)));
    }
    for (const linear of description.linears) {
      const mask = await tensors.mask(linear.weight(block));
      if (mask !== undefined) kept.set(linear.weight(block), mask);
    }
  }
  const changed = [...checkpoint.tensors.values()].map(({ name, shape, dtype }) => ({
    ...{ name, shape, dtype },
    async data() {
      const { bits } = tensorToHalf(dtype, await checkpoint.read(name));
      const mask = kept.get(name);
      return new Uint8Array(bits.map((value, i) => tune(value, mask?.[i] !== 0)).buffer);
    },
  }));
  await writeCheckpoint(out, checkpoint.config, changed);
  await checkpoint.close();
  return out;
}

test('weights that were tuned under the masks become a finished run with the same masks and orders', () =>
  inTemporaryFolder(async (home) => {
    // One more in the last place; a kept weight may become zero.
    const model = await tuned(home, (bits, kept) => (!kept ? 0 : bits % 7 === 0 ? 0 : bits ^ 1));
    const report = await importWeights({ store, run: base, model });
    expect(report).toMatchObject({ masksOf: base.fingerprint, outside: 0 });
    expect(await store.current()).toBe(report.run);
    const run = await store.openRun(report.run);
    expect(await run.verify()).toEqual([]);

    const description = describeModel(run.attributes.config as Record<string, unknown>);
    const [before, after] = [base, run].map((one) => runTensors(one, description)) as [
      ReturnType<typeof runTensors>,
      ReturnType<typeof runTensors>,
    ];
    const checkpoint = await openCheckpoint(model);
    for (const linear of description.linears) {
      const name = linear.weight(1);
      expect(await after.mask(name)).toEqual(await before.mask(name));
      expect(await after.order(name)).toEqual(await before.order(name));
      expect((await after.mask(name)) === undefined).toBe(DENSE.includes(linear.name));
    }
    const down = description.linears.at(-1)!.weight(1);
    expect(await after.read(down)).toEqual(await checkpoint.read(down));
    await checkpoint.close();
    // The same again is the same run.
    expect(await importWeights({ store, run: base, model })).toEqual(report);
  }));

test('its weights are floats: the run no longer says that they are stored as others', () =>
  inTemporaryFolder(async (home) => {
    const model = await tuned(home, (bits) => bits);
    const options = { ...(base.attributes.options as object), denseTuned: true, denseValues: 'int8' };
    const encoding = { name: 'x-mine', sha256: '' };
    const integers = { ...base, attributes: { ...base.attributes, options: { ...options, encoding } } };
    const { run } = await importWeights({ store, run: integers, model });
    expect((await store.openRun(run)).attributes.options).toEqual(base.attributes.options);
  }));

test('weights outside the masks are refused with their number, and nothing is written; or left out where that is asked for', () =>
  inTemporaryFolder(async (home) => {
    const model = await tuned(home, (bits, kept) => (kept ? bits : 0x3f80));
    await expect(importWeights({ store, run: base, model })).rejects.toMatchObject({
      kind: 'checkpoint',
      message: expect.stringMatching(/\d+ weights of 18 matrices were pruned and are not zero/),
      hint: expect.stringContaining('--outside drop'),
    });
    expect(await store.runs()).toHaveLength(1);
    const { run, outside } = await importWeights({ store, run: base, model, outside: 'drop' });
    expect(outside).toBeGreaterThan(0);
    const description = describeModel(base.attributes.config as Record<string, unknown>);
    const name = description.linears[0]!.weight(0);
    expect(await runTensors(await store.openRun(run), description).read(name)).toEqual(
      await runTensors(base, description).read(name),
    );
  }));

test('an import that is cancelled goes on after the last block', () =>
  inTemporaryFolder(async (home) => {
    const model = await tuned(home, (bits) => bits);
    const controller = new AbortController();
    const stopped = importWeights({
      ...{ store, run: base, model, signal: controller.signal },
      onProgress: ({ phase, block }) => {
        if (phase === 'writing' && block === 2) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' });
    expect(await store.current()).toBe(base.fingerprint);
    const { run } = await importWeights({ store, run: base, model });
    expect(await store.current()).toBe(run);
  }));

test('another model is refused', async () => {
  const model = path.join(FIXTURES, 'llama');
  await expect(importWeights({ store, run: base, model })).rejects.toMatchObject({ kind: 'checkpoint' });
});
