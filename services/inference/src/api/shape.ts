import { invalidField, RequestError } from '@esparse/errors';
import { MAX_BODY_DEPTH, MAX_BODY_VALUES } from '../limits.ts';

/**
 * Refuses a body with so many values, or nested so deep, that validating it would block the event loop; validation
 * itself can then take its time for good messages.
 *
 * @param except a field that is checked by itself
 */
export function requireShape(body: unknown, except?: string): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new RequestError('invalid', 'the body must be a JSON object');
  }
  let values = 0;
  for (const [name, value] of Object.entries(body)) {
    if (name === except) continue;
    if (!fits(value, 1)) {
      throw invalidField(
        name.slice(0, 100),
        `the body has too many values or is nested too deep (at most ${MAX_BODY_VALUES} and ${MAX_BODY_DEPTH})`,
      );
    }
  }
  return body as Record<string, unknown>;

  function fits(value: unknown, depth: number): boolean {
    if (++values > MAX_BODY_VALUES || depth > MAX_BODY_DEPTH) return false;
    if (typeof value !== 'object' || value === null) return true;
    return Object.values(value).every((inner) => fits(inner, depth + 1));
  }
}
