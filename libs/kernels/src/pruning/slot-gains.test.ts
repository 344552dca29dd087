import { uniform } from '@esparse/laws';
import { assign } from './assignment.ts';
import { keptScore } from './kept-score.ts';
import { slotGains } from './slot-gains.ts';

test('the gains of an assignment add up to what the kept score grows by', async () => {
  const [rows, cols, keep, group] = [100, 24, 2, 4];
  const random = uniform(7);
  const scores = Float32Array.from({ length: rows * cols }, () => random() ** 4);
  const order = Int32Array.from({ length: cols }, (_, i) => (i * 7) % cols);
  const slots = Int32Array.of(1, 6, 8, 15, 19, 20);
  const gains = await slotGains(scores, rows, cols, order, keep, group, slots);
  const columns = await assign(gains, slots.length);
  const assigned = order.slice();
  let gain = 0;
  columns.forEach((h, g) => {
    assigned[slots[g]!] = order[slots[h]!]!;
    gain += gains[g * slots.length + h]!;
  });
  const kept = (permutation: Int32Array) => keptScore(scores, rows, cols, permutation, keep, group);
  expect(gain).toBeGreaterThan(0);
  expect((await kept(assigned)) - (await kept(order))).toBeCloseTo(gain, 4);
});

test('a slot outside its group is refused', async () => {
  const order = Int32Array.of(0, 1, 2, 3);
  await expect(slotGains(new Float32Array(4), 1, 4, order, 1, 2, Int32Array.of(0, 1))).rejects.toMatchObject({
    kind: 'usage',
  });
});
