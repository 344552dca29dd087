import { EsparseError, faultInWords } from '@esparse/errors';
import { z } from 'zod';
import { MAX_POSITIONS } from './limits.ts';

/** A whole number from 1 to `max`. */
export function count(max: number): z.ZodNumber {
  return z.number().int().min(1).max(max);
}

/** A finite number above zero. */
export function positive(): z.ZodNumber {
  return z.number().positive();
}

/** A number of positions. */
export function positions(): z.ZodNumber {
  return count(MAX_POSITIONS);
}

/** An optional field: null counts as absent, as Hugging Face writes both. */
export function optional<T extends z.ZodType>(schema: T): z.ZodOptional<z.ZodNullable<T>> {
  return schema.nullable().optional();
}

/**
 * Checks a part of config.json.
 * @param where what is checked, for the message: 'config.json' or a path within it
 * @throws EsparseError 'checkpoint' naming each field that is missing or out of range
 */
export function parseConfig<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where = 'config.json',
): z.output<Schema> {
  const parsed = schema.safeParse(value, { error: faultInWords });
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || where}: ${issue.message}`);
  throw new EsparseError('checkpoint', `${where} cannot be used: ${problems.join('; ')}`, {
    hint: "compare it with the config.json of the model's own page",
    cause: parsed.error,
  });
}

/**
 * Refuses settings that a family does not compute.
 * @param problems each as it is called in config.json; false: not set so
 * @throws EsparseError 'unsupported' naming all of them
 */
export function refuseSettings(problems: readonly (string | false)[], hint: string): void {
  const set = problems.filter((problem) => problem !== false);
  if (set.length === 0) return;
  throw new EsparseError('unsupported', `config.json: ${set.join(', ')}: not supported`, { hint });
}
