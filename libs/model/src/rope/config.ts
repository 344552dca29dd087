import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { optional, parseConfig, positions, positive } from '../config.ts';
import type { RopeScaling, RopeSpec } from './spec.ts';

/** Hugging Face's θ where config.json names none. */
const DEFAULT_THETA = 10_000;

const SCALING = z.object({
  rope_type: optional(z.string()),
  /** The older name of `rope_type`. */
  type: optional(z.string()),
  rope_theta: optional(positive()),
  partial_rotary_factor: optional(positive()),
  factor: optional(z.number().min(1)),
  original_max_position_embeddings: optional(positions()),
  low_freq_factor: optional(positive()),
  high_freq_factor: optional(positive()),
  attention_factor: optional(positive()),
  beta_fast: optional(positive()),
  beta_slow: optional(positive()),
  mscale: optional(z.number().min(0)),
  mscale_all_dim: optional(z.number().min(0)),
  truncate: optional(z.boolean()),
  short_factor: optional(z.array(positive())),
  long_factor: optional(z.array(positive())),
});
type Scaling = z.infer<typeof SCALING>;

/** The fields of config.json that say how positions turn. */
export const ROPE_FIELDS = {
  rope_theta: optional(positive()),
  rope_scaling: optional(z.record(z.string(), z.unknown())),
  rope_parameters: optional(z.record(z.string(), z.unknown())),
  partial_rotary_factor: optional(positive()),
} as const;

/** What `ropeFromConfig` reads. */
export type RopeFields = z.infer<z.ZodObject<typeof ROPE_FIELDS>>;

/**
 * Reads the rotary embedding of a config.json: `rope_theta` with `rope_scaling`, or `rope_parameters`, which wins
 * where both are given, as in Hugging Face.
 * @throws EsparseError 'unsupported' for a type that is not known, 'checkpoint' for parameters that are missing
 */
export function ropeFromConfig(config: RopeFields, headDim: number, maxPositions: number): RopeSpec {
  const where = config.rope_parameters ? 'rope_parameters' : 'rope_scaling';
  const scaling = parseConfig(SCALING, config[where] ?? {}, where);
  const part = scaling.partial_rotary_factor ?? config.partial_rotary_factor ?? 1;
  // As in Hugging Face, what is left over of a channel is cut off.
  const channels = Math.trunc(headDim * part);
  if (channels < 2 || channels > headDim || channels % 2 !== 0) {
    throw new EsparseError(
      'checkpoint',
      `config.json: partial_rotary_factor ${part} rotates ${channels} of the ${headDim} channels of a head: not an even number from 2 on`,
    );
  }
  const theta = scaling.rope_theta ?? config.rope_theta ?? DEFAULT_THETA;
  const scaled = scalingOf(scaling, where, maxPositions);
  if (scaled.type === 'longrope') requireFactors(scaled, channels / 2, where);
  return { channels, theta, ...scaled };
}

function scalingOf(scaling: Scaling, where: string, maxPositions: number): RopeScaling {
  const type = scaling.rope_type ?? scaling.type ?? 'default';
  const reader = READERS.get(type);
  if (reader === undefined) {
    throw new EsparseError(
      'unsupported',
      `config.json: ${where} has the type '${type}', which is not known`,
      {
        hint: `the known types are ${[...READERS.keys()].join(', ')}`,
      },
    );
  }
  return reader(scaling, where, maxPositions);
}

type Reader = (scaling: Scaling, where: string, maxPositions: number) => RopeScaling;

const READERS = new Map<string, Reader>([
  ['default', () => ({ type: 'default' })],
  ['linear', (scaling, where) => ({ type: 'linear', factor: required(scaling, 'factor', where) })],
  [
    'dynamic',
    (scaling, where, maxPositions) => ({
      type: 'dynamic',
      factor: required(scaling, 'factor', where),
      original: scaling.original_max_position_embeddings ?? maxPositions,
    }),
  ],
  ['llama3', readLlama3],
  ['yarn', readYarn],
  ['longrope', readLongRope],
]);

function readLlama3(scaling: Scaling, where: string): RopeScaling {
  const low = required(scaling, 'low_freq_factor', where);
  const high = required(scaling, 'high_freq_factor', where);
  if (high <= low) {
    throw new EsparseError(
      'checkpoint',
      `config.json: ${where}: high_freq_factor (${high}) must exceed low_freq_factor (${low})`,
    );
  }
  return {
    type: 'llama3',
    factor: required(scaling, 'factor', where),
    original: required(scaling, 'original_max_position_embeddings', where),
    lowFrequencyFactor: low,
    highFrequencyFactor: high,
  };
}

function readYarn(scaling: Scaling, where: string, maxPositions: number): RopeScaling {
  const original = scaling.original_max_position_embeddings ?? maxPositions;
  const factor =
    scaling.factor ??
    (original < maxPositions ? maxPositions / original : required(scaling, 'factor', where));
  return {
    type: 'yarn',
    factor,
    original,
    // Zero is refused above; Hugging Face takes it for the default too.
    betaFast: scaling.beta_fast ?? 32,
    betaSlow: scaling.beta_slow ?? 1,
    truncate: scaling.truncate ?? true,
    attentionFactor: scaling.attention_factor ?? yarnAttentionFactor(factor, scaling),
  };
}

function readLongRope(scaling: Scaling, where: string, maxPositions: number): RopeScaling {
  const original = required(scaling, 'original_max_position_embeddings', where);
  const factor = scaling.factor ?? maxPositions / original;
  const suggested = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    type: 'longrope',
    original,
    shortFactors: scaling.short_factor ?? [],
    longFactors: scaling.long_factor ?? [],
    attentionFactor: scaling.attention_factor ?? suggested,
  };
}

/** @throws EsparseError 'checkpoint' where LongRoPE has not a factor for each frequency */
function requireFactors(
  { shortFactors, longFactors }: RopeScaling & { type: 'longrope' },
  frequencies: number,
  where: string,
): void {
  for (const [name, factors] of Object.entries({ short_factor: shortFactors, long_factor: longFactors })) {
    if (factors.length === frequencies) continue;
    throw new EsparseError(
      'checkpoint',
      `config.json: ${where}.${name} has ${factors.length} factors: ${frequencies} were expected, one for each pair of channels that is rotated`,
    );
  }
}

/** YaRN's temperature: 0.1 ln(factor) + 1, or the ratio of two of them where `mscale` and `mscale_all_dim` are given. */
function yarnAttentionFactor(factor: number, scaling: Scaling): number {
  const temperature = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1);
  const { mscale, mscale_all_dim: all } = scaling;
  return mscale && all ? temperature(mscale) / temperature(all) : temperature(1);
}

function required(
  scaling: Scaling,
  key: 'factor' | 'low_freq_factor' | 'high_freq_factor' | 'original_max_position_embeddings',
  where: string,
): number {
  const value = scaling[key];
  if (value !== undefined && value !== null) return value;
  throw new EsparseError('checkpoint', `config.json: ${where}.${key} is missing`, {
    hint: 'this type of rotary scaling needs it',
  });
}
