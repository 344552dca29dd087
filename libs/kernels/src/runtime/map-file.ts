import { readFileSync } from 'node:fs';
import { EsparseError, messageOf } from '@esparse/errors';
import { addon } from '../addon.ts';

/**
 * The bytes of a file without reading it: mapped into memory, read-only. Pages come from the disk when they are touched,
 * and all processes that map the file share them. Unmapped when the array is collected. Where there is no addon, the file
 * is read.
 *
 * Never write to the array, and never shorten the file: either kills the process.
 *
 * @throws EsparseError 'store' where the file is missing, empty or cannot be read
 */
export function mapFile(path: string): Uint8Array {
  let bytes: Uint8Array | null;
  try {
    bytes = addon()?.mapFile?.(path) ?? null;
    bytes ??= new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new EsparseError('store', `cannot map ${path}: ${messageOf(cause)}`, { context: { path }, cause });
  }
  if (bytes.length > 0) return bytes;
  throw new EsparseError('store', `cannot map ${path}: it is empty`, { context: { path } });
}
