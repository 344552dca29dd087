import { stageLaws } from '@esparse/laws';
import { reconstruct } from './index.ts';

test('the reconstruction keeps the laws of stages', async () => {
  const stage = reconstruct();
  await stageLaws(stage, { runs: 20 });
  await stage.release?.();
});
