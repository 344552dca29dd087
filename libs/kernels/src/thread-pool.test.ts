/** Jobs of pruning and loops of inference run on the same threads. */
import { uniform } from '@esparse/laws';
import { openInferenceKernels } from './inference/inference-kernels.ts';
import { swapSearch } from './pruning/swap-search.ts';

test('linears that are applied while a job runs give their results, and so does the job', async () => {
  const random = uniform(5);
  const [rows, cols] = [512, 1024];
  const scores = Float32Array.from({ length: rows * cols }, random);
  const order = Int32Array.from({ length: cols }, (_, i) => i);
  const alone = await swapSearch(scores, rows, cols, order, 2, 4, 256);
  const weights = new Float32Array(rows * cols).fill(0.5);
  const linear = openInferenceKernels().createLinear({ kind: 'dense', dtype: 'f32', rows, cols, weights });
  const x = new Float32Array(cols).fill(1);

  const state = { searching: true };
  const search = swapSearch(scores, rows, cols, order, 2, 4, 256).finally(() => {
    state.searching = false;
  });
  for (let i = 0; state.searching || i < 100; i++) {
    const y = new Float32Array(rows);
    linear.apply(x, 1, y);
    expect(y.every((value) => value === cols / 2)).toBe(true);
    if (i % 8 === 7) await new Promise(setImmediate);
  }
  expect(await search).toEqual(alone);
});
