import { stageLaws } from '@esparse/laws';
import { reconstruct, sparseGptStage } from './index.ts';

test.each([reconstruct(), sparseGptStage()])('the stage $name keeps the laws of stages', async (stage) => {
  await stageLaws(stage, { runs: 20 });
  await stage.release?.();
});
