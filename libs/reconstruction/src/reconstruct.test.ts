import { widenReference } from '@esparse/kernels';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { reconstruct } from './reconstruct.ts';
import { denseMatrix } from './tap-matrix.ts';

const stage = reconstruct();
let products: MatrixProducts;
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(() => Promise.all([stage.release?.(), products.release()]));

const ignore = () => undefined;

/** bf16 bits of 1 and of 2. */
const [ONE, TWO] = [0x3f80, 0x4000];

const input = (hessian: number[]) => ({
  rows: 1,
  cols: 4,
  dtype: 'bf16' as const,
  weights: Uint16Array.of(ONE, ONE, TWO, ONE),
  statistics: { hessian: denseMatrix(Float32Array.from(hessian), 4, products) },
  pattern: { keep: 1, group: 2 },
  // Positions 0 and 2 survive: channels 3 and 1.
  permutation: Int32Array.of(3, 0, 1, 2),
  mask: Uint8Array.of(0b0101),
});

test('a survivor takes over what its twin said, in the original order', async () => {
  // Channel 0 moves with channel 3, channel 2 with channel 1.
  const hessian = [10, 0, 0, 10, 0, 10, 10, 0, 0, 10, 10, 0, 10, 0, 0, 10];
  const solver = reconstruct({ sweeps: 0 });
  const { weights, mask } = await solver.run(input(hessian), { note: ignore, progress: ignore });
  await solver.release?.();
  expect(mask).toBeUndefined();
  const solved = widenReference('bf16', weights!);
  expect(solved[3]).toBeCloseTo(2, 1);
  expect(solved[1]).toBeCloseTo(3, 1);
  expect([solved[0], solved[2]]).toEqual([0, 0]);
});

test('a share of the dense model’s drift moves the target', async () => {
  const hessian = [10, 0, 0, 0, 0, 10, 0, 0, 0, 0, 10, 0, 0, 0, 0, 10];
  // Of weights (1, 1, 2, 1) the dense model's inputs add 5 in channel 3, and nothing elsewhere.
  const drift = [0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const linear = input(hessian);
  const statistics = { ...linear.statistics, drift: denseMatrix(Float32Array.from(drift), 4, products) };
  for (const dense of [0.5, 1]) {
    const solver = reconstruct({ sweeps: 0, dense, damping: 1e-6 });
    const { weights } = await solver.run({ ...linear, statistics }, { note: ignore, progress: ignore });
    await solver.release?.();
    const solved = widenReference('bf16', weights!);
    expect(solved[3]).toBeCloseTo(1 + (dense * 5) / 10, 2);
    expect(solved[1]).toBeCloseTo(1, 2);
  }
});

test('nothing of the dense model is asked for where its share is none', async () => {
  const [with_, without] = [reconstruct(), reconstruct({ dense: 0 })];
  expect(Object.keys(with_.statistics)).toEqual(['hessian', 'drift']);
  expect(Object.keys(without.statistics)).toEqual(['hessian']);
  await Promise.all([with_.release?.(), without.release?.()]);
});

test('a group whose survivor says little chooses the other', async () => {
  // All four channels are independent; channels 0 and 2 are loud, and the mask keeps 3 and 1.
  const hessian = [100, 0, 0, 0, 0, 1, 0, 0, 0, 0, 100, 0, 0, 0, 0, 1];
  const steps: number[] = [];
  const context = { note: ignore, progress: (done: number) => steps.push(done) };
  const { weights, mask } = await stage.run(input(hessian), context);
  expect([...mask!]).toEqual([0b1010]);
  expect([...widenReference('bf16', weights!)]).toEqual([1, 0, 2, 0]);
  expect(steps).toEqual([1, 2, 3]);
});

test('where the inputs are all zero the weights stay, with a warning', async () => {
  const notes: string[] = [];
  const context = { note: (text: string) => notes.push(text), progress: ignore };
  expect(await stage.run(input(new Array<number>(16).fill(0)), context)).toEqual({});
  expect(notes).toEqual([expect.stringContaining('the survivors keep their weights')]);
});

test('what its bits depend on is named', async () => {
  expect(await stage.numerics?.()).toMatch(/^onnxruntime-\d/);
});

test('damping that is not above zero is refused', () => {
  for (const damping of [0, -1, NaN]) expect(() => reconstruct({ damping })).toThrow(`damping is ${damping}`);
});
