import path from 'node:path';
import { emulatedGpu } from '../testing/emulated-gpu.ts';

/** What is not asked for of an emulated GPU (the context), and what is asked for besides (the workspace of products). */
const CONTEXT_BYTES = 700 * 2 ** 20;
const WORKSPACE_BYTES = 32 * 2 ** 20;

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

const run = (faults = '') =>
  gpu.run(path.join(import.meta.dirname, '../testing/memory-case.ts'), faults) as {
    needed: number;
    outcome: string;
  };

test('a GPU with the memory that is planned is enough, and with a tenth less it is not', () => {
  const { needed, outcome } = run();
  expect(outcome).toBe('done');
  const asked = needed - CONTEXT_BYTES;
  expect(run(`memory=${asked + WORKSPACE_BYTES}`).outcome).toBe('done');
  expect(run(`memory=${Math.floor(0.9 * asked) + WORKSPACE_BYTES}`).outcome).toBe('unavailable');
});
