import type { NumberField } from './sampling-option.ts';

/** Whether a request may give this value for a number. */
export function isWithin(
  value: number,
  { integer = false, min = -Infinity, above = -Infinity, max }: NumberField,
): boolean {
  return value >= min && value > above && value <= max && (!integer || Number.isInteger(value));
}

/** The values that a request may give for a number, such as 'a whole number from -1 to 9'. */
export function rangeInWords({ integer = false, min, above, max }: NumberField): string {
  const range = min === undefined ? `above ${above}, at most ${max}` : `from ${min} to ${max}`;
  return integer ? `a whole number ${range}` : range;
}
