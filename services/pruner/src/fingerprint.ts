import { createHash } from 'node:crypto';
import { canonicalJson } from '@esparse/checkpoint';

/** Version of what a run's bytes depend on beside its options: raised when the same options give other bytes. */
export const ALGORITHM_VERSION = 3;

/** Hex digits of a fingerprint: 128 bits. */
const DIGITS = 32;

/** A JSON value. Members that are undefined are left out of the fingerprint: they are as good as absent. */
export type Json =
  null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Names a run by everything that its bytes depend on: equal inputs give the equal name, whatever their order. */
export function fingerprintOf(inputs: Json): string {
  return createHash('sha256')
    .update(canonicalJson({ algorithm: ALGORITHM_VERSION, inputs }))
    .digest('hex')
    .slice(0, DIGITS);
}

/** SHA-256 of token ids. */
export function tokensDigest(tokens: Uint32Array): string {
  return createHash('sha256').update(tokens).digest('hex');
}
