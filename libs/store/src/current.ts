import { z } from 'zod';
import { checkDocument } from './json-document.ts';
import { CURRENT } from './layout.ts';
import type { ObjectStore } from './object-store.ts';
import { readSealedObject, sealedObject } from './sealed-document.ts';

const currentSchema = z.looseObject({ run: z.string().max(128) });

/** The fingerprint of the run being served, or undefined where none is. @throws EsparseError 'store' if damaged */
export async function readCurrent(store: ObjectStore): Promise<string | undefined> {
  const sealed = await readSealedObject(store, CURRENT);
  return sealed === undefined ? undefined : checkDocument(store, CURRENT, currentSchema, sealed).run;
}

/** Names the run to be served, durably, in one step. */
export async function writeCurrent(store: ObjectStore, fingerprint: string): Promise<void> {
  await store.put(CURRENT, [sealedObject({ run: fingerprint }, CURRENT)], { durable: true });
  await store.sync(['']);
}
