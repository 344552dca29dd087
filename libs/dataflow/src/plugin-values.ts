import { EsparseError } from '@esparse/errors';
import type { HalfDtype } from '@esparse/kernels';

/** A matrix of 16-bit weights, all of them finite. @throws EsparseError 'usage', or 'numeric' naming row and channel */
export function halfMatrix(
  what: string,
  { rows, cols, dtype }: { readonly rows: number; readonly cols: number; readonly dtype: HalfDtype },
  value: unknown,
): Uint16Array {
  const checked = arrayOf(what, 'Uint16Array', value, rows * cols) as Uint16Array;
  const at = firstInfinite(checked, dtype === 'bf16' ? 0x7f80 : 0x7c00);
  if (at === undefined) return checked;
  throw new EsparseError(
    'numeric',
    `the weight of row ${Math.floor(at / cols)}, channel ${at % cols} is not finite`,
  );
}

/**
 * The first of which all bits of the exponent are set: an infinity or no number. Two are looked at as one word: with one added to the
 * exponents' last places, these reach the places of the signs, which were cleared. To look at each would take as long as to solve for it.
 */
function firstInfinite(values: Uint16Array, exponent: number): number | undefined {
  const words =
    values.byteOffset % 4 === 0
      ? new Uint32Array(values.buffer, values.byteOffset, values.length >> 1)
      : new Uint32Array(0);
  const [mask, one] = [exponent * 0x10001, (0x8000 - exponent) * 0x10001];
  let reached = 0;
  for (let i = 0; i < words.length; i++) reached |= ((words[i]! & mask) + one) | 0;
  const from = (reached & 0x80008000) === 0 ? 2 * words.length : 0;
  const found = values.subarray(from).findIndex((value) => (value & exponent) === exponent);
  return found < 0 ? undefined : from + found;
}

/** Plain JavaScript may return anything. Its tag decides: `instanceof` fails across realms. */
export function arrayOf(what: string, type: string, value: unknown, length: number): unknown {
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (tag !== type) throw new EsparseError('usage', `${what}: ${tag}, expected ${type}`);
  const found = (value as Float32Array).length;
  if (found === length) return value;
  throw new EsparseError('usage', `${what} of ${found} elements, expected ${length}`);
}

/** An unknown name is a misspelt one: what it holds would be lost silently. */
export function fieldsOf(value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null)
    throw new EsparseError('usage', `its result is ${String(value)}, expected an object`);
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return value as Readonly<Record<string, unknown>>;
  throw new EsparseError('usage', `its result has ${unknown}, which is none of ${known.join(', ')}`);
}
