import { isEsparseError } from '@esparse/errors';
import { z } from 'zod';
import type { ObjectStore } from '@esparse/storage';
import { checkDocument } from './json-document.ts';
import { CURRENT } from './layout.ts';
import { readSealedObject, sealedObject } from './sealed-document.ts';

const currentSchema = z.looseObject({ run: z.string().max(128) });

/** The fingerprint of the run being served, or undefined where none is. @throws EsparseError 'store' if damaged */
export async function readCurrent(store: ObjectStore): Promise<string | undefined> {
  const sealed = await readSealedObject(store, CURRENT);
  return sealed === undefined ? undefined : checkDocument(store, CURRENT, currentSchema, sealed).run;
}

/** The same for those who do not depend on it, or write it anew: undefined also where it is damaged. */
export async function readCurrentIfSound(store: ObjectStore): Promise<string | undefined> {
  try {
    return await readCurrent(store);
  } catch (error) {
    if (isEsparseError(error) && error.kind === 'store') return undefined;
    throw error;
  }
}

/** The version of `current` that a writer has seen last. */
export interface SeenCurrent {
  version: string | undefined;
}

export async function seenCurrent(store: ObjectStore): Promise<SeenCurrent> {
  return { version: await store.version(CURRENT) };
}

/**
 * Names the run to be served, durably, in one step.
 *
 * @throws EsparseError 'locked' where another writer has named one since, and the store knows conditional writes
 */
export async function writeCurrent(
  store: ObjectStore,
  fingerprint: string,
  seen: SeenCurrent,
): Promise<void> {
  const document = sealedObject({ run: fingerprint }, CURRENT);
  await store.putIf(CURRENT, document, seen.version);
  await store.sync(['']);
  seen.version = await store.version(CURRENT);
}
