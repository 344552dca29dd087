import { EsparseError } from '@esparse/errors';
import { findInfinite, type HalfDtype } from '@esparse/kernels';
import { andThen, type NowOrLater } from './now-or-later.ts';

/** A matrix of 16-bit weights, all of them finite. @throws EsparseError 'usage', or 'numeric' naming row and channel; large ones reject */
export function halfMatrix(
  what: string,
  { rows, cols, dtype }: { readonly rows: number; readonly cols: number; readonly dtype: HalfDtype },
  value: unknown,
): NowOrLater<Uint16Array> {
  const checked = arrayOf(what, 'Uint16Array', value, rows * cols) as Uint16Array;
  return andThen(findInfinite(dtype, checked), (at) => {
    if (at < 0) return checked;
    throw new EsparseError(
      'numeric',
      `the weight of row ${Math.floor(at / cols)}, channel ${at % cols} is not finite`,
    );
  });
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
