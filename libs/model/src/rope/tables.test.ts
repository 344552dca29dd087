import { referenceRope, tinyLlama } from '@esparse/laws';
import fc from 'fast-check';
import { ropeFromConfig } from './config.ts';
import { ropeFrequencies, ropeTables } from './tables.ts';

const ORIGINAL = { original_max_position_embeddings: 512 };
const LLAMA3 = { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, ...ORIGINAL };

test.each([
  ['default', undefined],
  ['linear', { type: 'linear', factor: 4 }],
  ['dynamic', { rope_type: 'dynamic', factor: 2 }],
  ['llama3', LLAMA3],
  ['yarn', { rope_type: 'yarn', factor: 8, ...ORIGINAL }],
  [
    'yarn, its own betas and scale',
    { type: 'yarn', factor: 8, beta_fast: 16, beta_slow: 2, attention_factor: 1.5 },
  ],
])('%s: frequencies are those of the reference', (_, rope_scaling) => {
  const { config } = tinyLlama({
    head_dim: 64,
    max_position_embeddings: 2048,
    ...(rope_scaling && { rope_scaling }),
  });
  const rope = ropeFromConfig(config, 64, 2048);
  for (const rows of [16, 5000]) {
    const { inverse, scale } = referenceRope(config, rows);
    ropeFrequencies(rope, rows).forEach((frequency, j) => {
      expect(frequency / inverse[j]!).toBeCloseTo(1, 12);
    });
    const { cos, sin } = ropeTables(rope, 3);
    expect(Math.hypot(cos[2 * 32]!, sin[2 * 32]!)).toBeCloseTo(scale, 6);
  }
});

test('position 0 does not turn, and every angle grows by its frequency per position', () => {
  const rope = { type: 'default', channels: 8, theta: 10_000 } as const;
  const { cos, sin } = ropeTables(rope, 10);
  const frequencies = ropeFrequencies(rope, 10);
  expect([...cos.subarray(0, 4), ...sin.subarray(0, 4)]).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
  fc.assert(
    fc.property(fc.nat(9), fc.nat(3), (position, j) => {
      expect(sin[position * 4 + j]).toBe(Math.fround(Math.sin(position * frequencies[j]!)));
      expect(cos[position * 4 + j]).toBe(Math.fround(Math.cos(position * frequencies[j]!)));
    }),
    { seed: 1 },
  );
});
