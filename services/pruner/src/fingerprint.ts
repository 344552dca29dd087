import { createHash } from 'node:crypto';

/** Version of what a run's bytes depend on beside its options: raised when the same options give other bytes. */
export const ALGORITHM_VERSION = 3;

/** Hex digits of a fingerprint: 128 bits. */
const DIGITS = 32;

/** JSON; what is undefined is not there. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Names a run by everything that its bytes depend on: equal inputs give the equal name, whatever their order. */
export function fingerprintOf(inputs: Json): string {
  return createHash('sha256')
    .update(canonical({ algorithm: ALGORITHM_VERSION, inputs }))
    .digest('hex')
    .slice(0, DIGITS);
}

/** SHA-256 of token ids. */
export function tokensDigest(tokens: Uint32Array): string {
  return createHash('sha256').update(tokens).digest('hex');
}

/** JSON with the keys of every object in order. */
export function canonical(value: Json): string {
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, item]) => (item === undefined ? [] : [`${JSON.stringify(key)}:${canonical(item)}`]));
  return `{${entries.join(',')}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
