/** Gathers a Hessian in a process of its own, whose memory `hessian.ts` reports. */
import { createMatrixProducts } from '@esparse/onnx';
import { createSpill, gramStatistic } from '@esparse/reconstruction';
import { secondsOf } from '../table.ts';
import type { HessianFigures } from './hessian.ts';
import { residentOf } from './resident.ts';

const [channels, sequences, rows, memory] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
];
/** Rows of a product with the Hessian. */
const MULTIPLIED = 64;

const products = await createMatrixProducts();
const spill = createSpill({ memory });
const statistic = gramStatistic({ products: () => Promise.resolve(products), spill, waiting: { bytes: 0 } });
const state = statistic.create(channels, {});

const gather = await secondsOf(async () => {
  for (let s = 0; s < sequences; s++) {
    const data = Float32Array.from({ length: rows * channels }, (_, i) => Math.sin(i * (s + 1)));
    await statistic.update(state, { data, rows, channels, endsSequence: true });
  }
  await statistic.settle(state);
});
const sums = spill.used();
const started = performance.now();
const hessian = await statistic.finish(state);
const finish = (performance.now() - started) / 1000;
const held = spill.used();
const multiply = await secondsOf(async () => {
  const a = new Float32Array(MULTIPLIED * channels).fill(1);
  await hessian.multiply(a, MULTIPLIED, new Float32Array(MULTIPLIED * channels));
});
const peak = (await residentOf(process.pid))!.peak;
hessian.release();
await spill.close();
await products.release();
const figures: HessianFigures = { gather, finish, multiply, sums, hessian: held, peak };
process.send!(figures);
