import { EsparseError } from '@esparse/errors';
import { MAX_JSON_BYTES, MAX_JSON_DEPTH } from './limits.ts';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * Writes a value as a JSON document of the store: indented for people, the members of every object in the order of their
 * names (whole numbers first, by their value), so that the bytes depend on the content only. Members that are undefined
 * are left out.
 *
 * @param what names the value in messages
 * @throws EsparseError 'usage' for what JSON cannot hold: NaN, infinity, typed arrays, functions, and too deep nests
 */
export function encodeJson(value: unknown, what: string): string {
  const text = `${JSON.stringify(canonical(value, what, 0), null, 2)}\n`;
  if (Buffer.byteLength(text) > MAX_JSON_BYTES) throw refuse(what, `is larger than ${MAX_JSON_BYTES} bytes`);
  return text;
}

function canonical(value: unknown, path: string, depth: number): Json {
  if (depth > MAX_JSON_DEPTH) throw refuse(path, `is nested more than ${MAX_JSON_DEPTH} deep`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refuse(path, `is ${value}, which JSON cannot hold`);
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((item: unknown, i) => canonical(item, `${path}[${i}]`, depth + 1));
  }
  if (typeof value !== 'object' || Object.prototype.toString.call(value) !== '[object Object]') {
    throw refuse(path, 'is not a plain JSON value');
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, canonical(member, `${path}.${name}`, depth + 1)] as const);
  return Object.fromEntries(members);
}

function refuse(path: string, fault: string): EsparseError {
  return new EsparseError('usage', `${path} cannot be stored: it ${fault}`);
}
