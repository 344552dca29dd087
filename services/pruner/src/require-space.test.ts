import { peakBytes } from './require-space.ts';

const MODEL = { outer: 100, blocks: [10, 10, 10] };

test('the most is at once in the store when the last block is in, or when hidden states are passed on', () => {
  expect(peakBytes({ ...MODEL, hiddenBefore: () => 0 })).toBe(130);
  // Small ones: all blocks and those before the last. Large ones: those before the last two, and a block less.
  expect(peakBytes({ ...MODEL, hiddenBefore: () => 1 })).toBe(131);
  expect(peakBytes({ ...MODEL, hiddenBefore: () => 50 })).toBe(100 + 20 + 2 * 50);
  expect(peakBytes({ ...MODEL, hiddenBefore: (block) => (block === 0 ? 50 : 100) })).toBe(100 + 20 + 200);
});

test('what is committed needs no room any more, and a run that is finished none', () => {
  expect(peakBytes({ outer: 0, blocks: [0, 0, 10], hiddenBefore: () => 50 })).toBe(60);
  expect(peakBytes({ outer: 0, blocks: [0, 0, 0], hiddenBefore: () => 50 })).toBe(0);
});
