import { createMatrixProducts, type MatrixProducts } from '@esparse/model';

/** Matrix products that are opened when they are wanted first, by a statistic and its stage together. */
export function lazyProducts() {
  let opened: Promise<MatrixProducts> | undefined;
  return {
    get: () => (opened ??= createMatrixProducts()),
    async release() {
      await (await opened)?.release();
    },
  };
}
