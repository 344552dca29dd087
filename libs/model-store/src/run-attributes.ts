import { EsparseError, faultInWords } from '@esparse/errors';
import { z } from 'zod';

/** Of code that does not come with esparse: SHA-256 of its file, and its package with the version. */
const source = z.object({ sha256: z.string(), package: z.string().optional() });

/** A metric, a shuffle or a stage. */
const part = z.object({ name: z.string(), version: z.number() });

/** What a run says of itself in the store: what it pruned, how, and on which numerics. Nothing that differs between two equal runs. */
const schema = z.object({
  /** config.json of the checkpoint, as it is. */
  config: z.record(z.string(), z.unknown()),
  family: z.string(),
  blocks: z.number().int().positive(),
  /** Digest of the checkpoint, and of the calibration tokens. */
  model: z.string(),
  tokens: z.string(),
  /** Runtime version, execution provider, instruction set, rows per run. */
  numerics: z.string(),
  /** The run whose masks and orders this one has, where its weights were imported; absent where they were pruned here. */
  masksOf: z.string().optional(),
  options: z.object({
    pipeline: z.object({
      name: z.string(),
      version: z.number(),
      options: z.record(z.string(), z.json()),
      /** Its metric, shuffle and stages; absent in runs of versions that did not write them. */
      parts: z
        .object({
          metric: part,
          shuffle: part,
          stages: z.array(part),
          /** Absent where there are none. */
          blockStages: z.array(part).optional(),
        })
        .optional(),
      source: source.optional(),
    }),
    /** Where the model's family was loaded from; absent where it comes with esparse. */
    family: source.optional(),
    /** What survivors are stored in, and where that was loaded from; absent where it comes with esparse. */
    encoding: source.extend({ name: z.string() }).optional(),
    pattern: z.object({ keep: z.number().int(), group: z.number().int() }),
    /** Linears that have another pattern, or are `dense`, by `blocks.<k>.<linear>`; absent where there are none. */
    layers: z.record(z.string(), z.string()).optional(),
    /** What matrices that are not pruned are stored as; absent where they are as in the checkpoint. */
    denseValues: z.enum(['int8', 'int4', 'int3']).optional(),
    /** Whether linears left dense went through block stages, with their integers; absent where none did. */
    denseTuned: z.literal(true).optional(),
    calibration: z.object({
      samples: z.number().int(),
      seqlen: z.number().int(),
      seed: z.number().int(),
      bos: z.boolean(),
    }),
    /** Tokens that an expert must have seen to be pruned by its own statistics; absent where there are no experts. */
    expertTokens: z.number().int().positive().optional(),
    skipIndivisible: z.boolean(),
    /** Whether the change of each linear's output was found; absent where it was not. */
    outputError: z.literal(true).optional(),
    /** Whether figures for a report were taken; absent where they were not. */
    figures: z.literal(true).optional(),
    /** Whether these have the tokens at which channels are largest, and the calibration's tokens; absent where they do not. */
    figureTokens: z.literal(true).optional(),
  }),
});

export type RunAttributes = z.infer<typeof schema>;

/** Reads a run's attributes. @throws EsparseError `store` where they are not what this version writes. */
export function readRunAttributes(attributes: Readonly<Record<string, unknown>>): RunAttributes {
  const parsed = schema.safeParse(attributes, { error: faultInWords });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new EsparseError(
    'store',
    `the run's attributes cannot be used: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
    { hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`' },
  );
}
