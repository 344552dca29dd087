import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { EsparseError, messageOf } from '@esparse/errors';
import { addon } from '../addon.ts';

/** A part of a file, in bytes. */
export interface FileRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * The bytes of a file, or of a part of it, without reading it: mapped into memory, read-only. Pages come from the disk
 * when they are touched, and all processes that map the file share them. Unmapped when the array is collected. Where there
 * is no addon, the file is read.
 *
 * Never write to the array, and never shorten the file: either kills the process.
 *
 * @param range @default the whole file
 * @throws EsparseError 'store' where the file is missing, empty, shorter than the range says or cannot be read
 */
export function mapFile(path: string, range?: FileRange): Uint8Array {
  let bytes: Uint8Array | null;
  try {
    bytes = addon()?.mapFile?.(path, range?.offset, range?.length) ?? null;
    bytes ??= range === undefined ? new Uint8Array(readFileSync(path)) : readRange(path, range);
  } catch (cause) {
    throw new EsparseError('store', `cannot map ${path}: ${messageOf(cause)}`, { context: { path }, cause });
  }
  if (bytes.length > 0) return bytes;
  throw new EsparseError('store', `cannot map ${path}: it is empty`, { context: { path } });
}

function readRange(path: string, { offset, length }: FileRange): Uint8Array {
  const bytes = new Uint8Array(length);
  const file = openSync(path, 'r');
  try {
    for (let at = 0; at < length;) {
      const read = readSync(file, bytes, at, Math.min(length - at, 2 ** 30), offset + at);
      if (read === 0) throw new Error(`it ends at byte ${offset + at}`);
      at += read;
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}
