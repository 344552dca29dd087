import { EsparseError } from '@esparse/errors';
import { fileScheme } from './file/scheme.ts';
import { hfScheme } from './hf/scheme.ts';
import { httpScheme } from './http/scheme.ts';
import { s3Scheme } from './s3/scheme.ts';
import type { Scheme } from './scheme.ts';

/** Every scheme by the prefixes of its locations. */
const byPrefix = new Map<string, Scheme>();
const schemes: Scheme[] = [];

/** Makes a scheme known in this process. @throws EsparseError 'usage' where another has one of its prefixes */
export function registerScheme(scheme: Scheme): void {
  const taken = scheme.prefixes.find((prefix) => byPrefix.has(prefix));
  if (taken !== undefined) throw new EsparseError('usage', `${taken}:// is registered already`);
  schemes.push(scheme);
  for (const prefix of scheme.prefixes) byPrefix.set(prefix, scheme);
}

for (const scheme of [fileScheme, s3Scheme, httpScheme, hfScheme]) registerScheme(scheme);

export function registeredSchemes(): readonly Scheme[] {
  return schemes;
}

/** The scheme of a prefix as it is written; undefined where none is known, or it is not in lower case. */
export function schemeOfPrefix(prefix: string): Scheme | undefined {
  return byPrefix.get(prefix);
}
