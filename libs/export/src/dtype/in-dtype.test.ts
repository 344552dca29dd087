import path from 'node:path';
import { openCheckpoint, tensorToF32, writeCheckpoint } from '@esparse/checkpoint';
import { inTemporaryFolder } from '@esparse/laws';
import { describeCheckpoint, describeModel } from '@esparse/model';
import { runTensors } from '@esparse/model-store';
import type { Run } from '@esparse/store';
import { exportRun } from '../export-run.ts';
import { gguf } from '../formats/gguf.ts';
import { safetensors } from '../formats/safetensors.ts';
import { modelTensors } from '../source.ts';
import { FIXTURES, prunedRun } from '../testing/pruned-run.ts';
import { DTYPES, EXPORT_DTYPES } from './dtypes.ts';
import { rounded } from './rounded.ts';

/** A fixture with its weights in f32, none of which is a bf16. */
async function f32Run(home: string, name: string): Promise<Run> {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, name));
  const model = path.join(home, 'model');
  const tensors = [...checkpoint.tensors.values()].map(({ name: tensor, shape, dtype }) => ({
    ...{ name: tensor, shape, dtype: 'F32' as const },
    async data() {
      const values = await tensorToF32(dtype, await checkpoint.read(tensor));
      return new Uint8Array(values.map((value) => value * 1.001).buffer);
    },
  }));
  await writeCheckpoint(model, checkpoint.config, tensors);
  await checkpoint.close();
  return prunedRun(model, { dense: ['k_proj'] });
}

const formats = [
  ['safetensors', safetensors, 'out'],
  ['gguf', gguf, 's.gguf'],
] as const;
const cases = formats.flatMap(([name, format, place]) =>
  EXPORT_DTYPES.map((dtype) => ({ name, format, place, dtype })),
);

test.each(cases)(
  '$name in $dtype: weights are those of the store, rounded once',
  ({ format, place, dtype }) =>
    inTemporaryFolder(async (home) => {
      const run = await f32Run(home, 'llama');
      const out = path.join(home, place);
      await exportRun({ run, format, out, dtype });
      const exported = await openCheckpoint(out);
      const description = describeCheckpoint(exported);
      const stored = runTensors(run, description);
      for (const { name, shape } of modelTensors(description)) {
        const type = format === gguf && shape.length === 1 ? 'f32' : dtype;
        expect(exported.info(name).dtype).toBe(DTYPES[type].stored);
        const expected = await rounded(await stored.read(name), (await stored.info(name)).dtype, type, name);
        expect(Buffer.compare(await exported.read(name), expected)).toBe(0);
      }
      await exported.close();
    }),
);

test('the config.json of safetensors names the type, fused tensors have it too, and what was rounded is counted', () =>
  inTemporaryFolder(async (home) => {
    const run = await prunedRun(path.join(FIXTURES, 'gpt2'));
    const [out, wide] = [path.join(home, 'out'), path.join(home, 'wide')];
    const report = await exportRun({ run, format: safetensors, out, dtype: 'f16' });
    const exported = await openCheckpoint(out);
    await exported.close();
    expect(exported.config).toMatchObject({ dtype: 'float16' });
    const types = new Set([...exported.tensors.values()].map(({ dtype }) => dtype));
    expect([...types]).toEqual(['F16']);
    const tensors = modelTensors(describeModel(exported.config)).length;
    expect(report.rounded).toEqual([{ from: 'bf16', to: 'f16', tensors }]);
    expect(await exportRun({ run, format: safetensors, out: wide, dtype: 'f32' })).toMatchObject({
      rounded: [],
    });
  }));
