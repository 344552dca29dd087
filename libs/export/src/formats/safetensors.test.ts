import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint, tensorToF32, writeCheckpoint, type TensorDtype } from '@esparse/checkpoint';
import { inTemporaryFolder } from '@esparse/laws';
import { describeCheckpoint, describeModel, tensorsOfBlock } from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import { exportRun } from '../export-run.ts';
import { FIXTURES, prunedRun } from '../testing/pruned-run.ts';
import { safetensors } from './safetensors.ts';

/** Names, types, shapes and files of a checkpoint's tensors. */
async function layoutOf(model: string) {
  const checkpoint = await openCheckpoint(model);
  await checkpoint.close();
  const tensors = [...checkpoint.tensors.values()].map(({ name, dtype, shape, file }) => ({
    ...{ name, dtype, shape, file },
  }));
  return tensors.sort((a, b) => (a.name < b.name ? -1 : 1));
}

test.each(readdirSync(FIXTURES))(
  '%s: the export has the tensors, types, shapes and files of the input, and the values of the store',
  (name) =>
    inTemporaryFolder(async (home) => {
      const model = path.join(FIXTURES, name);
      const run = await prunedRun(model, { dense: ['k_proj'] });
      const out = path.join(home, 'out');
      await exportRun({ run, format: safetensors, out });
      // What was in blocks of MXFP4 is the bf16 checkpoint that they stand for.
      expect(await layoutOf(out)).toEqual(await layoutOf(model.replace(/-mxfp4$/, '')));

      const exported = await openCheckpoint(out);
      const description = describeCheckpoint(exported);
      expect(description.family).toBe(describeModel(exported.config).family);
      const stored = storeWeights(run, description);
      for (const { name: tensor } of [...description.outerTensors, ...tensorsOfBlock(description, 1)]) {
        const found = await tensorToF32(exported.info(tensor).dtype, await exported.read(tensor));
        expect(found).toEqual(await stored.read(tensor));
      }
      await exported.close();
    }),
);

/** Writes a fixture again, in other types or files. */
async function rewritten(name: string, folder: string, shards: number, dtype?: TensorDtype): Promise<void> {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, name));
  const tensors = [...checkpoint.tensors.values()].map((info) => ({
    ...{ name: info.name, shape: info.shape, dtype: dtype ?? info.dtype },
    async data() {
      const bytes = await checkpoint.read(info.name);
      return dtype === undefined ? bytes : new Uint8Array((await tensorToF32(info.dtype, bytes)).buffer);
    },
  }));
  await writeCheckpoint(folder, checkpoint.config, tensors, { shards });
  await checkpoint.close();
}

test('shards keep their names, and the index names the same files', () =>
  inTemporaryFolder(async (home) => {
    const model = path.join(home, 'model');
    await rewritten('phi3', model, 3);
    const run = await prunedRun(model);
    const out = path.join(home, 'out');
    await exportRun({ run, format: safetensors, out });
    const indexOf = async (folder: string) =>
      JSON.parse(await readFile(path.join(folder, 'model.safetensors.index.json'), 'utf8')) as unknown;
    expect(await indexOf(out)).toEqual(await indexOf(model));
    expect(readdirSync(out).sort()).toEqual(readdirSync(model).sort());
  }));

test('what was f32 is f32 again, and a run that does not know how its checkpoint lay becomes one file', () =>
  inTemporaryFolder(async (home) => {
    const model = path.join(home, 'model');
    await rewritten('llama', model, 2, 'F32');
    for (const layout of [true, false]) {
      const run = await prunedRun(model, { layout });
      const out = path.join(home, `out-${layout}`);
      await exportRun({ run, format: safetensors, out });
      const found = await layoutOf(out);
      if (layout) expect(found).toEqual(await layoutOf(model));
      else expect(new Set(found.map(({ file }) => file))).toEqual(new Set(['model.safetensors']));
    }
  }));
