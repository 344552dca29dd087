import path from 'node:path';
import { emulatedGpu } from '../testing/emulated-gpu.ts';

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

test('packed matrices of every kind are unpacked as by the processor, and damage is seen where it sees some', () => {
  const { outcomes, held } = gpu.run(path.join(import.meta.dirname, '../testing/unpack-cases.ts')) as {
    readonly outcomes: Readonly<Record<string, object>>;
    readonly held: number;
  };
  expect(Object.keys(outcomes)).toHaveLength(27);
  for (const [name, outcome] of Object.entries(outcomes))
    expect([name, outcome]).toEqual([name, { same: true, sound: true, seesTheSame: true }]);
  expect(held).toBe(0);
});
