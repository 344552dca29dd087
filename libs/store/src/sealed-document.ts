import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import type { ObjectStore } from '@esparse/storage';
import { encodeJson } from './encode-json.ts';
import { checksum, hexOf } from './checksum.ts';
import { checkDocument, parseJson, readSmall, where } from './json-document.ts';
import { FORMAT } from './limits.ts';

/**
 * Documents that no manifest lists carry their own checksum, a member `"seal": "<8 hex digits>"`: the CRC32C of
 * the document's bytes with those digits read as zeros. A flip of any byte is found, white space included.
 */
const OPEN_SEAL = '"seal": "00000000"';
const SEAL = /"seal": "([0-9a-f]{8})"/g;

/** Attributes as they were given, format and seal taken away. */
export type Attributes = Record<string, unknown>;

const envelopeSchema = z.looseObject({ format: z.int().positive(), seal: z.string().optional() });
const groupSchema = z.object({
  zarr_format: z.literal(3),
  node_type: z.literal('group'),
  attributes: z.looseObject({ esparse: envelopeSchema }),
});

/** A sealed Zarr group whose `attributes.esparse` hold the format and what is given. */
export function sealedGroup(attributes: Attributes, what: string): Uint8Array {
  const esparse = envelope(attributes, what);
  return seal({ zarr_format: 3, node_type: 'group', attributes: { esparse } }, what);
}

/** A sealed object that is no Zarr node. */
export function sealedObject(attributes: Attributes, what: string): Uint8Array {
  return seal(envelope(attributes, what), what);
}

/** A sealed document of any form; `document` holds the member `seal: SEAL_PLACE` once. */
export function seal(document: Attributes, what: string): Uint8Array {
  const text = encodeJson(document, what);
  if ([...text.matchAll(SEAL)].length !== 1) {
    throw new EsparseError('usage', `${what} cannot be stored: the name "seal" is reserved`);
  }
  const crc = hexOf(checksum(Buffer.from(text)));
  return Buffer.from(text.replace(OPEN_SEAL, `"seal": "${crc}"`));
}

/** The value of `seal` in a document to be sealed. */
export const SEAL_PLACE = '00000000';

/** Reads a sealed group's `attributes.esparse`; undefined where there is no such object. */
export async function readSealedGroup(store: ObjectStore, key: string): Promise<Attributes | undefined> {
  const sealed = await readSealed(store, key, (value) => {
    return checkDocument(store, key, groupSchema, value).attributes.esparse;
  });
  return sealed?.attributes;
}

/** Reads a sealed object; undefined where there is none. */
export async function readSealedObject(store: ObjectStore, key: string): Promise<Attributes | undefined> {
  const sealed = await readSealed(store, key, (value) => checkDocument(store, key, envelopeSchema, value));
  return sealed?.attributes;
}

async function readSealed(
  store: ObjectStore,
  key: string,
  envelopeOf: (value: unknown) => z.infer<typeof envelopeSchema>,
): Promise<{ attributes: Attributes } | undefined> {
  const bytes = await readSmall(store, key);
  if (bytes === undefined) return undefined;
  const sealed = envelopeOf(parseJson(store, key, bytes));
  const { format } = sealed;
  // The format first: a newer one may seal in another way.
  if (format > FORMAT) {
    throw new EsparseError(
      'store',
      `${where(store, key)} has format ${format}, and this esparse reads up to format ${FORMAT}`,
      { hint: 'upgrade esparse' },
    );
  }
  checkSeal(store, key, bytes);
  const attributes = Object.entries(sealed).filter(([name]) => name !== 'format' && name !== 'seal');
  return { attributes: Object.fromEntries(attributes) };
}

/** @throws EsparseError 'store' where the document is not what was sealed */
export function checkSeal(store: ObjectStore, key: string, bytes: Uint8Array): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const seals = [...text.matchAll(SEAL)];
  const digits = seals[0]?.[1];
  const open = Buffer.from(text.replace(SEAL, OPEN_SEAL), 'latin1');
  if (seals.length === 1 && digits === hexOf(checksum(open))) return;
  throw new EsparseError('store', `${where(store, key)} is damaged: its checksum does not match`, {
    hint: 'restore it from a copy, or prune again into another store',
  });
}

function envelope(attributes: Attributes, what: string): Attributes {
  if ('format' in attributes || 'seal' in attributes) {
    throw new EsparseError('usage', `${what} cannot be stored: the names "format" and "seal" are reserved`);
  }
  return { ...attributes, format: FORMAT, seal: SEAL_PLACE };
}
