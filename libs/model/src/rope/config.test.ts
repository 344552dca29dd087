import { thrownBy } from '@esparse/laws';
import { ropeFromConfig, type RopeFields } from './config.ts';

const read = (config: RopeFields) => ropeFromConfig(config, 64, 4096);

test('without any field, θ is 10000 and nothing is scaled', () => {
  expect(read({})).toEqual({ type: 'default', channels: 64, theta: 10_000 });
  expect(read({ rope_scaling: null, rope_theta: 500_000 })).toMatchObject({ theta: 500_000 });
});

test('rope_parameters win over rope_scaling, and their θ over rope_theta', () => {
  const config = {
    rope_theta: 1,
    rope_scaling: { type: 'linear', factor: 3 },
    rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 7 },
  };
  expect(read(config)).toEqual({ type: 'linear', factor: 2, channels: 64, theta: 7 });
});

test('YaRN takes its factor from the original positions and its scale from the factor, where they are not given', () => {
  const original = { original_max_position_embeddings: 1024 };
  expect(read({ rope_scaling: { type: 'yarn', ...original } })).toMatchObject({
    factor: 4,
    original: 1024,
    betaFast: 32,
    betaSlow: 1,
    truncate: true,
    attentionFactor: 0.1 * Math.log(4) + 1,
  });
  const scales = { mscale: 0.707, mscale_all_dim: 1 };
  expect(read({ rope_scaling: { type: 'yarn', factor: 40, ...original, ...scales } })).toMatchObject({
    attentionFactor: (0.0707 * Math.log(40) + 1) / (0.1 * Math.log(40) + 1),
  });
});

test('a type that is not known is refused by name', () => {
  expect(thrownBy(() => read({ rope_scaling: { rope_type: 'su' } }))).toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining("'su'"),
    hint: expect.stringContaining('llama3'),
  });
});

test('a part of each head is rotated where config.json says so', () => {
  expect(read({ partial_rotary_factor: 0.75 })).toMatchObject({ channels: 48 });
  expect(read({ rope_parameters: { partial_rotary_factor: 0.5 } })).toMatchObject({ channels: 32 });
  expect(thrownBy(() => read({ partial_rotary_factor: 0.4 }))).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('partial_rotary_factor 0.4'),
  });
});

test('LongRoPE has a factor for each frequency, and takes its scale from how far it reaches', () => {
  const factors = Array.from({ length: 32 }, (_, j) => 1 + j);
  const longrope = {
    type: 'longrope',
    short_factor: factors,
    long_factor: factors.map((factor) => 2 * factor),
    original_max_position_embeddings: 1024,
  };
  expect(read({ rope_scaling: longrope })).toMatchObject({
    original: 1024,
    attentionFactor: Math.sqrt(1 + Math.log(4) / Math.log(1024)),
  });
  const short = { ...longrope, long_factor: [1] };
  expect(thrownBy(() => read({ rope_scaling: short }))).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('long_factor has 1 factors: 32'),
  });
});

test.each([
  [{ type: 'linear' }, 'rope_scaling.factor'],
  [{ type: 'yarn' }, 'rope_scaling.factor'],
  [{ type: 'linear', factor: 0.5 }, 'factor'],
  [{ type: 'linear', factor: 'two' }, 'factor'],
  [{ rope_type: 'llama3', factor: 8, low_freq_factor: 1 }, 'high_freq_factor'],
  [{ rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 4 }, 'high_freq_factor (4)'],
])('%j is refused, naming %s', (rope_scaling, name) => {
  expect(thrownBy(() => read({ rope_scaling }))).toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining(name),
  });
});
