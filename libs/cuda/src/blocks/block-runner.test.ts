import path from 'node:path';
import { emulatedGpu } from '../testing/emulated-gpu.ts';

/** Of norms: bf16 has 8 bits, and a block rounds a dozen times. */
const TOLERANCE = 1.2e-2;

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

test('every tap and the output are those of the f64 reference, the same each time, and memory is given back', () => {
  const outcomes = gpu.run(path.join(import.meta.dirname, '../testing/block-cases.ts')) as Record<
    string,
    { errors: Record<string, number>; same: boolean; held: number }
  >;
  expect(Object.keys(outcomes)).toHaveLength(7);
  for (const [name, { errors, same, held }] of Object.entries(outcomes)) {
    expect(Object.keys(errors)).toEqual(['attn_in', 'attn_out', 'mlp_in', 'mlp_out', 'output']);
    for (const [value, error] of Object.entries(errors)) {
      expect([name, value, error]).toEqual([name, value, expect.any(Number)]);
      expect(error).toBeLessThan(TOLERANCE);
    }
    expect([name, same, held]).toEqual([name, true, 0]);
  }
});
