import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { EsparseError, messageOf } from '@esparse/errors';

/** Tells whether a request carries one of the keys. */
export interface ApiKeys {
  /** @param authorization the header as it came */
  accepts(authorization: string | undefined): boolean;
}

/** Keys of one file at most, and characters of one. */
const MAX_KEYS = 1000;
const MAX_KEY_CHARACTERS = 512;

/** Reads a file of keys, one a line; empty lines and those that begin with # are skipped. @throws EsparseError 'usage' */
export async function readApiKeys(file: string): Promise<ApiKeys> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new EsparseError('usage', `the API keys in ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (
    keys.length === 0 ||
    keys.length > MAX_KEYS ||
    keys.some((key) => !/^[\x21-\x7e]+$/.test(key) || key.length > MAX_KEY_CHARACTERS)
  ) {
    throw new EsparseError('usage', `${file} is not a file of API keys`, {
      hint: `put 1 to ${MAX_KEYS} keys in it, one a line, each of 1 to ${MAX_KEY_CHARACTERS} printable characters without spaces`,
    });
  }
  return apiKeys(keys);
}

/**
 * Only digests are kept, and they are compared in constant time, each of them: how long it takes shows neither which
 * key it was nor how much of one was right.
 */
export function apiKeys(keys: readonly string[]): ApiKeys {
  const digests = keys.map(digestOf);
  return {
    accepts(authorization) {
      const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
      const digest = digestOf(given ?? '');
      let found = false;
      for (const known of digests) found = timingSafeEqual(known, digest) || found;
      return found && given !== undefined;
    },
  };
}

function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
