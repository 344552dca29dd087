import path from 'node:path';
import { STATISTICS } from '@esparse/statistics';
import { emulatedGpu } from './testing/emulated-gpu.ts';

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

test('every statistic that comes with esparse is that of the processor, byte by byte, whatever the activations, and so is what is read of histograms there', () => {
  const { outcomes, held } = gpu.run(path.join(import.meta.dirname, 'testing/statistic-cases.ts')) as {
    outcomes: { case: string; statistic: string; type: string; same: boolean }[];
    held: number;
  };
  expect(outcomes).toHaveLength(14 * 2 * (STATISTICS.size + 2));
  expect(outcomes.filter(({ same }) => !same)).toEqual([]);
  expect(held).toBe(0);
});
