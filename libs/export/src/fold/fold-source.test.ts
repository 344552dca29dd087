import { readdirSync } from 'node:fs';
import path from 'node:path';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { inTemporaryFolder, relativeError } from '@esparse/laws';
import { describeCheckpoint, describeModel, linearsOf } from '@esparse/model';
import { storeWeights } from '@esparse/model-store';
import { sequenceLogits } from '@esparse/onnx';
import { exportRun } from '../export-run.ts';
import { safetensors } from '../formats/safetensors.ts';
import { openExportSource, type ExportSource } from '../source.ts';
import { FIXTURES, PATTERN, prunedRun, randomOrder } from '../testing/pruned-run.ts';
import { foldSource } from './fold-source.ts';

/** The orders of `randomOrder`, but that of the attention's outputs: within heads, and equal where they share values. */
function foldable(linear: string, block: number, cols: number): Int32Array {
  if (!/^o(ut)?_proj$/.test(linear)) return randomOrder(linear, block, cols);
  const { heads, kvHeads } = { heads: 4, kvHeads: 2 };
  const headDim = cols / heads;
  return Int32Array.from({ length: cols }, (_, i) => {
    const head = Math.floor(i / headDim);
    const kv = Math.floor(head / (heads / kvHeads));
    return head * headDim + randomOrder('v', block * 2 + kv, headDim)[i % headDim]!;
  });
}

test.each(readdirSync(FIXTURES))(
  '%s: a folded export computes the same, and its groups are consecutive',
  (name) =>
    inTemporaryFolder(async (home) => {
      const run = await prunedRun(path.join(FIXTURES, name), { order: foldable });
      const { linears } = await exportRun({
        run,
        format: safetensors,
        out: path.join(home, 'out'),
        fold: true,
      });
      const { linears: specs } = describeModel(run.attributes.config as Record<string, unknown>);
      for (const { name: linear, tap } of specs) {
        const found = linears!.filter((one) => one.linear === linear).map(({ order }) => order);
        expect(new Set(found)).toEqual(new Set([tap.endsWith('_out') ? 'folded' : 'residual']));
      }

      const folded = await openCheckpoint(path.join(home, 'out'));
      const description = describeCheckpoint(folded);
      const weights = checkpointWeights(folded);
      for (const linear of linearsOf(description, 1).filter(({ tap }) => /(attn|mlp)_out$/.test(tap))) {
        const matrix = await weights.read(linear.weight(1));
        for (let first = 0; first < matrix.length; first += PATTERN.group) {
          const group = matrix.subarray(first, first + PATTERN.group);
          expect(group.filter((value) => value !== 0).length).toBeLessThanOrEqual(PATTERN.keep);
        }
      }
      const tokens = Uint32Array.from({ length: 24 }, (_, i) => (7 * i) % 40);
      const expected = await sequenceLogits(description, storeWeights(run, description), tokens);
      const found = await sequenceLogits(description, weights, tokens);
      expect(relativeError(found, expected)).toBeLessThan(1e-5);
      await folded.close();
    }),
);

test('orders that span heads, or differ between heads that share values, stay in the original order', async () => {
  const run = await prunedRun(path.join(FIXTURES, 'llama'), {
    order: (linear, block, cols) =>
      block === 2 ? Int32Array.from({ length: cols }, (_, i) => i) : randomOrder(linear, block, cols),
  });
  const { source, linears } = await foldSource((await openExportSource(run)) as ExportSource);
  const found = linears.filter(({ linear }) => linear === 'o_proj').map(({ order }) => order);
  expect(found).toEqual(['heads', 'heads', 'contiguous']);
  const name = describeModel(run.attributes.config as Record<string, unknown>)
    .linears.find((linear) => linear.name === 'o_proj')!
    .weight(0);
  expect(await source.tensors.read(name)).toEqual(await (await openExportSource(run)).tensors.read(name));
});
