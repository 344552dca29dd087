import { faultInWords, invalidField } from '@esparse/errors';
import type { z } from 'zod';

/** Fields named in one message. */
const MAX_NAMED = 5;

/** Validates a body. @throws RequestError `invalid` naming the first field at fault and what was expected of it */
export function validate<S extends z.ZodType>(schema: S, body: unknown): z.infer<S> {
  const parsed = schema.safeParse(body, { error: faultInWords, reportInput: true });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.slice(0, MAX_NAMED).map((name) => name.slice(0, 100));
    const paths = names.map((name) => (where === '' ? name : `${where}.${name}`));
    const more = issue.keys.length > MAX_NAMED ? ` and ${issue.keys.length - MAX_NAMED} more` : '';
    throw invalidField(
      paths[0]!,
      `unknown field${paths.length > 1 ? 's' : ''}: ${paths.join(', ')}${more}`,
      'unknown_field',
    );
  }
  if (issue.code === 'invalid_type' && issue.input === undefined)
    throw invalidField(where, `${where} is required`, 'missing_field');
  throw invalidField(where, where === '' ? issue.message : `${where}: ${issue.message}`, 'invalid_value');
}
