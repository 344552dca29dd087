import { EsparseError, faultInWords } from '@esparse/errors';
import type { FrontierPoint } from '@esparse/report-page';
import { z } from 'zod';

/** Points of a file at most: a picture of more cannot be read. */
const MAX_POINTS = 200;

const HINT =
  'give a list of { "name", "bitsPerWeight", "perplexity", "tokensPerSecond" }, the last two where they are known';

const schema = z
  .array(
    z.strictObject({
      name: z.string().min(1).max(200),
      bitsPerWeight: z.number().positive().max(64),
      perplexity: z.number().min(1).optional(),
      tokensPerSecond: z.number().positive().optional(),
    }),
  )
  .max(MAX_POINTS);

/**
 * Reads models that others measured, for the picture of size against quality.
 *
 * @example [{ "name": "Q4_K_M", "bitsPerWeight": 4.8, "perplexity": 26.1, "tokensPerSecond": 40 }]
 * @param file names it in messages
 * @throws EsparseError 'text' for anything else
 */
export function readPoints(text: string, file: string): FrontierPoint[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EsparseError('text', `${file} is no JSON`, { hint: HINT, cause });
  }
  const parsed = schema.safeParse(value, { error: faultInWords });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new EsparseError(
      'text',
      `${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
      { hint: HINT },
    );
  }
  return parsed.data.map(({ name, bitsPerWeight, perplexity, tokensPerSecond }) => ({
    ...{ name, bitsPerWeight, kind: 'given' as const },
    ...(perplexity !== undefined && { perplexity }),
    ...(tokensPerSecond !== undefined && { tokensPerSecond }),
  }));
}
