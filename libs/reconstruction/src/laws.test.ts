import { stageLaws } from '@esparse/laws';
import { quantize, reconstruct, sparseGptStage } from './index.ts';

test.each([
  reconstruct(),
  sparseGptStage(),
  quantize({ values: 'int8' }),
  quantize({ values: 'int4' }),
  quantize({ values: 'int3' }),
])('the stage $name keeps the laws of stages', async (stage) => {
  await stageLaws(stage, { runs: 20 });
  await stage.release?.();
});
