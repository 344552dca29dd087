import { openCheckpoint } from '@esparse/checkpoint';
import { describeModel } from '@esparse/model';
import { defineBlockStage } from '@esparse/sparsity';
import path from 'node:path';
import { requireTakenBlocks } from './require-taken-blocks.ts';

const FAMILIES = path.join(import.meta.dirname, '../../../test/fixtures/families');

const plain = { name: 'plain', run: () => Promise.resolve({}) };

async function describe(family: string) {
  const checkpoint = await openCheckpoint(path.join(FAMILIES, family));
  await checkpoint.close();
  return describeModel(checkpoint.config);
}

test('a model with blocks that a stage does not take is refused by what they have', async () => {
  const choosy = defineBlockStage({
    ...plain,
    name: 'choosy',
    refuses: (program) => (program.some(({ op }) => op === 'rope') ? 'rotations' : undefined),
  });
  const pipeline = { name: 'own', blockStages: [choosy()] };
  const model = await describe('llama');
  expect(() => {
    requireTakenBlocks(pipeline, model);
  }).toThrow('block stage choosy of own does not take the blocks of this llama model: they have rotations');
  requireTakenBlocks(pipeline, await describe('opt'));
});

test('a stage that takes every block is not asked, and an answer that is none is blamed on its stage', async () => {
  const model = await describe('llama');
  requireTakenBlocks({ name: 'own', blockStages: [defineBlockStage(plain)()] }, model);
  const odd = defineBlockStage({ ...plain, refuses: () => 5 as unknown as string });
  expect(() => {
    requireTakenBlocks({ name: 'own', blockStages: [odd()] }, model);
  }).toThrow(/block stage plain.*refuses\(\)/);
});
