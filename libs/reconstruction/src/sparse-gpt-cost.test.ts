import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { sparseGptCost } from './sparse-gpt-cost.ts';
import { sparseGpt } from './sparse-gpt.ts';

const ROWS = 256;
const COLS = 1024;

test('the products that are planned for SparseGPT are those that it makes', async () => {
  const real = await createMatrixProducts({ threads: 1 });
  let flops = 0;
  const counted: MatrixProducts = {
    ...real,
    product(a, b, sizes, out) {
      flops += 2 * sizes.rows * sizes.inner * sizes.cols;
      return real.product(a, b, sizes, out);
    },
  };
  const hessian = Float32Array.from({ length: COLS * COLS }, (_, i) => (i % (COLS + 1) === 0 ? 2 : 0));
  const problem = {
    rows: ROWS,
    cols: COLS,
    weights: Float32Array.from({ length: ROWS * COLS }, (_, i) => Math.sin(i)),
    hessian,
    permutation: Int32Array.from({ length: COLS }, (_, i) => i),
    pattern: { keep: 2, group: 4 },
  };
  await sparseGpt(problem, counted);
  await real.release();
  const planned = sparseGptCost(problem).flops!;
  // Besides, triangles of 128 on the diagonal of the factor.
  expect(planned / flops).toBeGreaterThan(0.8);
  expect(planned / flops).toBeLessThanOrEqual(1);
});
