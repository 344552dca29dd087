import type { RopeSpec } from './spec.ts';

/** Cosines and sines of every position's angles, each (rows x channels / 2). */
export interface RopeTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/**
 * The tables of positions 0 .. rows - 1. Computed in f64 and rounded once (Hugging Face computes them in f32, which
 * differs in the last bits only). The attention factor of YaRN and LongRoPE multiplies both tables.
 */
export function ropeTables(rope: RopeSpec, rows: number): RopeTables {
  const half = rope.channels / 2;
  const frequencies = ropeFrequencies(rope, rows);
  const scale = rope.type === 'yarn' || rope.type === 'longrope' ? rope.attentionFactor : 1;
  const cos = new Float32Array(rows * half);
  const sin = new Float32Array(rows * half);
  for (let position = 0; position < rows; position++) {
    for (let j = 0; j < half; j++) {
      const angle = position * frequencies[j]!;
      cos[position * half + j] = Math.cos(angle) * scale;
      sin[position * half + j] = Math.sin(angle) * scale;
    }
  }
  return { cos, sin };
}

/**
 * The angle by which each pair of channels is rotated per position, (channels / 2).
 * @param rows length of the sequence: only the types 'dynamic' and 'longrope' depend on it
 */
export function ropeFrequencies(rope: RopeSpec, rows: number): Float64Array {
  switch (rope.type) {
    case 'default':
      return plain(rope.theta, rope.channels);
    case 'linear':
      return plain(rope.theta, rope.channels).map((frequency) => frequency / rope.factor);
    case 'dynamic':
      return plain(dynamicTheta(rope, rows), rope.channels);
    case 'llama3':
      return plain(rope.theta, rope.channels).map((frequency) => llama3Frequency(rope, frequency));
    case 'yarn':
      return yarnFrequencies(rope);
    case 'longrope': {
      const factors = rows > rope.original ? rope.longFactors : rope.shortFactors;
      return plain(rope.theta, rope.channels).map((frequency, j) => frequency / factors[j]!);
    }
  }
}

/** θ^(-2j / channels) for j in 0 .. channels / 2 - 1. */
function plain(theta: number, channels: number): Float64Array {
  return Float64Array.from({ length: channels / 2 }, (_, j) => theta ** ((-2 * j) / channels));
}

function dynamicTheta(rope: RopeSpec & { type: 'dynamic' }, rows: number): number {
  const length = Math.max(rows, rope.original);
  const growth = (rope.factor * length) / rope.original - (rope.factor - 1);
  return rope.theta * growth ** (rope.channels / (rope.channels - 2));
}

function llama3Frequency(rope: RopeSpec & { type: 'llama3' }, frequency: number): number {
  // Rotations within the original context.
  const rotations = (rope.original * frequency) / (2 * Math.PI);
  if (rotations < rope.lowFrequencyFactor) return frequency / rope.factor;
  if (rotations > rope.highFrequencyFactor) return frequency;
  const kept = (rotations - rope.lowFrequencyFactor) / (rope.highFrequencyFactor - rope.lowFrequencyFactor);
  return (1 - kept) * (frequency / rope.factor) + kept * frequency;
}

function yarnFrequencies(rope: RopeSpec & { type: 'yarn' }): Float64Array {
  const { channels, theta, original, truncate } = rope;
  // The (fractional) pair of channels that makes so many rotations within the original context.
  const pairOf = (rotations: number) =>
    (channels * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  let first = pairOf(rope.betaFast);
  let last = pairOf(rope.betaSlow);
  if (truncate) {
    first = Math.floor(first);
    last = Math.ceil(last);
  }
  first = Math.max(first, 0);
  last = Math.min(last, channels - 1);
  // As the original: no division by zero where both ends meet.
  const width = first === last ? 0.001 : last - first;
  return plain(theta, channels).map((frequency, j) => {
    const interpolated = Math.min(Math.max((j - first) / width, 0), 1);
    return (frequency / rope.factor) * interpolated + frequency * (1 - interpolated);
  });
}
