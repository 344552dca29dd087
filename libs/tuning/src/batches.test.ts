import { createBatches } from './batches.ts';

const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b);

test('a tenth is held out and never drawn; every other sequence is drawn once before one comes again', () => {
  const batches = createBatches(40, 0.1, 9, 5);
  expect(batches.heldOut).toHaveLength(4);
  expect(sorted([...batches.heldOut, ...batches.training])).toEqual(Array.from({ length: 40 }, (_, i) => i));
  const drawn = [1, 2, 3, 4, 5, 6, 7, 8].flatMap(() => batches.next());
  expect(sorted(drawn.slice(0, 36))).toEqual(sorted(batches.training));
  expect(sorted(drawn.slice(36))).toEqual(sorted(batches.training));
});

test('of few sequences one is held out, and one is left; a batch may be larger than what is left', () => {
  for (const [count, share] of [
    [2, 0.1],
    [2, 0.9],
    [3, 0.01],
  ] as const) {
    const { heldOut, training, next } = createBatches(count, share, 5, 1);
    expect([heldOut.length, training.length]).toEqual([1, count - 1]);
    expect(next()).toHaveLength(5);
  }
});

test('the same seed draws the same, another seed something else', () => {
  const draw = (seed: number) => createBatches(40, 0.1, 16, seed).next();
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});
