import { EsparseError } from '@esparse/errors';

/** Longest key: the limit of S3. */
const MAX_KEY_LENGTH = 1024;
/** Longest part of a key between slashes: the limit of common file systems. */
const MAX_SEGMENT_LENGTH = 255;

/** Names that begin so are the file store's own (temporary files, the writer's lock) and are never objects. */
export const OWN_PREFIX = '.esparse-';

/** What is portable between file systems and S3; everything we write keeps to it. */
const SEGMENT = /^[A-Za-z0-9_.@+=~-]+$/;

/**
 * Checks the key of an object, or of a folder of objects: relative, parts separated by single slashes, no part
 * `.` or `..`, portable characters only. Keys come out of manifests and off the wire, so all are checked.
 *
 * @returns the key itself
 * @throws EsparseError 'store' naming the key and what is wrong with it
 */
export function checkKey(key: string): string {
  const fault = faultOf(key);
  if (fault === undefined) return key;
  const shown = JSON.stringify(key.length > 100 ? `${key.slice(0, 100)}…` : key);
  throw new EsparseError('store', `the key ${shown} ${fault}`, {
    hint: 'keys are relative, with parts of letters, digits and _.@+=~- separated by single slashes',
  });
}

/** True for what `checkKey` accepts. */
export function isKey(key: string): boolean {
  return faultOf(key) === undefined;
}

/** Joins parts of a key, leaving out empty ones. */
export function joinKey(...parts: readonly (string | number)[]): string {
  return parts.filter((part) => part !== '').join('/');
}

/** The folder that holds a key; '' for the root. */
export function folderOf(key: string): string {
  const slash = key.lastIndexOf('/');
  return slash < 0 ? '' : key.slice(0, slash);
}

function faultOf(key: string): string | undefined {
  if (key.length > MAX_KEY_LENGTH) return `is longer than ${MAX_KEY_LENGTH} characters`;
  for (const segment of key.split('/')) {
    if (segment === '') return 'has an empty part';
    if (segment === '.' || segment === '..') return `has the part ${segment}`;
    if (segment.length > MAX_SEGMENT_LENGTH) return `has a part longer than ${MAX_SEGMENT_LENGTH} characters`;
    if (segment.startsWith(OWN_PREFIX)) return `has a part that begins with ${OWN_PREFIX}`;
    if (!SEGMENT.test(segment)) return 'has a character that is not portable';
  }
  return undefined;
}
