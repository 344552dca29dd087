import { stageLaws, statisticLaws } from '@esparse/laws';
import { createMatrixProducts } from '@esparse/model';
import { gramStatistic, reconstruct } from './index.ts';

test('the Hessian is a commutative monoid over sequences, to the last bit', async () => {
  const products = await createMatrixProducts({ threads: 1 });
  await statisticLaws(
    gramStatistic(() => Promise.resolve(products)),
    { unit: 'sequence', runs: 20 },
  );
  await products.release();
});

test('the reconstruction keeps the laws of stages', async () => {
  const stage = reconstruct();
  await stageLaws(stage, { runs: 20 });
  await stage.release?.();
});
