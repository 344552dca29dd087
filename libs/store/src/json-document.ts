import { EsparseError, faultInWords } from '@esparse/errors';
import type { z } from 'zod';
import type { ObjectStore } from '@esparse/storage';
import { MAX_JSON_BYTES } from './limits.ts';

/** Reads a small object whole; undefined where there is none. @throws EsparseError 'store' where it is too large */
export async function readSmall(store: ObjectStore, key: string): Promise<Uint8Array | undefined> {
  const bytes = await store.getRange(key, 0, MAX_JSON_BYTES + 1);
  if (bytes === undefined || bytes.byteLength <= MAX_JSON_BYTES) return bytes;
  throw new EsparseError('store', `${where(store, key)} is larger than ${MAX_JSON_BYTES} bytes`);
}

/** Parses UTF-8 JSON. @throws EsparseError 'store' naming the object */
export function parseJson(store: ObjectStore, key: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (cause) {
    throw new EsparseError('store', `${where(store, key)} is not valid JSON`, { cause });
  }
}

/** Checks a parsed document. @throws EsparseError 'store' naming the object and its first fault */
export function checkDocument<T>(store: ObjectStore, key: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value, { error: faultInWords });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw new EsparseError(
    'store',
    `${where(store, key)} is not as expected${at}: ${issue?.message ?? 'unknown'}`,
    {
      hint: 'the store is damaged or was not written by esparse; `esparse verify` says what is wrong',
    },
  );
}

/** How messages name an object. */
export function where(store: ObjectStore, key: string): string {
  return `${store.describe()}: ${key}`;
}
