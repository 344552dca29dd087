import { createMatrixProducts } from '@esparse/onnx';
import { driftStatistic } from './drift.ts';
import { gramStatistic } from './gram.ts';
import { hessianCost } from './hessian-cost.ts';
import { PANEL } from './panels.ts';
import { createSpill } from './spill.ts';
import { countArrays } from './testing/count-arrays.ts';

const WIDE = PANEL + 24;
const ROWS = 3;
const MIB = 2 ** 20;

test('a long sequence that comes in tiles is never held twice, and takes no more memory than planned', async () => {
  const [channels, rows, tiles] = [2 * PANEL, 64, 32];
  const products = await createMatrixProducts({ threads: 1 });
  const spill = createSpill({ memory: 0 });
  const resources = { products: () => Promise.resolve(products), spill, waiting: { bytes: 0 } };
  const seqlen = rows * tiles;
  const cost = hessianCost({ taps: [channels], states: 1, seqlen, drift: true, memory: 0 });
  const statistics = [gramStatistic(resources), driftStatistic(resources)];
  const states = statistics.map((statistic) => statistic.create(channels, {}));
  const data = Float32Array.from({ length: rows * channels }, (_, i) => Math.sin(i));
  const dense = data.map((value) => value / 2);
  const arrays = countArrays();
  try {
    for (let tile = 1; tile <= tiles; tile++) {
      for (const [i, statistic] of statistics.entries())
        await statistic.update(states[i]!, { data, dense, rows, channels, endsSequence: tile === tiles });
    }
    // One side of the Hessian's products, two of the drift's.
    const once = 3 * 4 * seqlen * channels;
    expect(resources.waiting.bytes).toBe(once);
    expect(arrays.held()).toBe(once);
    expect(arrays.peak()).toBeLessThan(1.2 * once);
    expect(arrays.peak()).toBeLessThan(cost.gathering);
    for (const [i, statistic] of statistics.entries()) statistic.dispose!(states[i]!);
    expect(arrays.held()).toBe(0);
  } finally {
    arrays.stop();
  }
  await products.release();
  await spill.close();
});

test.each([2 ** 30, 40 * MIB, 20 * MIB, 0])(
  'with %d bytes of memory, sums and Hessians take no more of memory and file than planned',
  async (memory) => {
    const products = await createMatrixProducts({ threads: 1 });
    const spill = createSpill({ memory });
    const gram = gramStatistic({ products: () => Promise.resolve(products), spill, waiting: { bytes: 0 } });
    const cost = hessianCost({ taps: [WIDE], states: 2, seqlen: ROWS, memory });
    const used = { memory: 0, file: 0 };
    const look = () => {
      const now = spill.used();
      used.memory = Math.max(used.memory, now.memory);
      used.file = Math.max(used.file, now.file);
    };
    const states = [gram.create(WIDE, {}), gram.create(WIDE, {})] as const;
    for (const state of states) {
      const data = Float32Array.from({ length: ROWS * WIDE }, (_, i) => Math.sin(i));
      await gram.update(state, { data, rows: ROWS, channels: WIDE, endsSequence: true });
      await gram.settle(state);
      look();
    }
    await gram.merge(states[0], states[1]);
    const hessian = await gram.finish(states[0]);
    look();
    expect(used.memory).toBeLessThanOrEqual(Math.min(memory, cost.gathering));
    expect(used.file).toBeLessThanOrEqual(cost.file);
    // The upper bounds are no more than the sums of a state too high.
    expect(cost.file).toBeLessThanOrEqual(2 * used.file);
    expect(spill.used().memory).toBeLessThanOrEqual(cost.pruning);
    hessian.release();
    await products.release();
    await spill.close();
  },
);

test('the drift from the dense model is a whole matrix more of sums, and both sides of its products wait', () => {
  const shape = { taps: [PANEL, 2 * PANEL], states: 2, seqlen: 16, memory: 2 ** 40 };
  const [alone, both] = [hessianCost(shape), hessianCost({ ...shape, drift: true })];
  const entries = PANEL ** 2 * (1 + 4);
  expect(both.pruning - alone.pruning).toBe(4 * entries);
  expect(both.gathering - alone.gathering).toBeGreaterThanOrEqual(2 * 16 * entries + 4 * entries);
  expect(both.file).toBe(0);
});

test('beyond the memory that Hessians may have, a plan grows by what waits and passes through alone', () => {
  const taps = [4096, 4096, 4096, 11008];
  const of = (memory: number) => hessianCost({ taps, states: 3, seqlen: 2048, memory });
  const whole = of(2 ** 40);
  expect(whole.file).toBe(0);
  const [small, large] = [of(2 ** 30), of(2 ** 31)];
  expect(small.file - large.file).toBe(2 ** 30);
  expect(large.gathering - small.gathering).toBe(1.25 * 2 ** 30);
  expect(large.gathering).toBeLessThan(whole.gathering);
});
