import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import {
  bytesInParts,
  freeBytes,
  isPlainName,
  makeFolders,
  onFile,
  openObjects,
  OWN_PREFIX,
  type WriterLease,
} from '@esparse/storage';
import type { ExportFile, ExportFormat } from './format.ts';

/** What an export is, so that one that was cut off is known again. */
export interface ExportIdentity {
  readonly run: string;
  readonly format: string;
  readonly fold: boolean;
  /** As it was asked for. */
  readonly dtype?: string | undefined;
  /** Bytes by file. */
  readonly files: Readonly<Record<string, number>>;
}

/** Where an export is written. */
export interface Destination {
  readonly folder: string;
  pathOf(file: string): string;
  /** What says that an export into this place is not finished. */
  readonly marker: string;
}

/**
 * @param main of one file, what its format calls it
 * @throws EsparseError 'usage' for a place that is not on this machine
 */
export function destinationOf(out: string, form: ExportFormat['form'], main = ''): Destination {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(out)) {
    throw new EsparseError('usage', `${out} is not on this machine`, {
      hint: 'export into a folder, and copy it from there',
    });
  }
  const place = path.resolve(out);
  if (form === 'folder') {
    return {
      folder: place,
      pathOf: (file) => path.join(place, file),
      marker: path.join(place, `${OWN_PREFIX}export.json`),
    };
  }
  const folder = path.dirname(place);
  const marker = path.join(folder, `${OWN_PREFIX}export-${path.basename(place)}.json`);
  return { folder, pathOf: (file) => `${place}${file.slice(main.length)}`, marker };
}

/**
 * Makes the folder of a place where there is none, and keeps other exports out of it.
 *
 * @throws EsparseError 'usage' where it is a file, 'locked' where another process exports to it
 */
export async function lockDestination(
  { folder }: Destination,
  form: ExportFormat['form'],
): Promise<WriterLease> {
  await onFile('make', folder, () => makeFolders(folder));
  if (!(await onFile('open', folder, () => stat(folder))).isDirectory()) {
    throw new EsparseError('usage', `${folder} is a file, not a folder`, {
      hint: `choose another --out: this --format writes ${form === 'folder' ? 'a folder of files' : 'a file in a folder'}`,
    });
  }
  return (await openObjects(folder)).lock();
}

/**
 * Makes a place ready: nothing else is in it, or an attempt at the same export that was cut off. From then on it is marked
 * as unfinished.
 *
 * @throws EsparseError 'usage' where something else is there, 'space' where the files find no room
 */
export async function beginExport(
  { folder, pathOf, marker }: Destination,
  form: ExportFormat['form'],
  identity: ExportIdentity,
): Promise<void> {
  const text = `${JSON.stringify(identity)}\n`;
  const found = await onFile('read', marker, () => readFile(marker, 'utf8').catch(() => undefined));
  // Cut off while it was written, it is the beginning of this text.
  if (found === undefined || !text.startsWith(found))
    await refuseOther(folder, form === 'file' ? Object.keys(identity.files).map(pathOf) : undefined, found);
  let missing = 0;
  for (const [file, bytes] of Object.entries(identity.files)) {
    missing += bytes - (await bytesInParts(pathOf(file))).bytes;
  }
  const free = await freeBytes(folder);
  if (free !== undefined && missing > free) {
    throw new EsparseError(
      'space',
      `${folder} has no room for the export: ${missing} bytes are needed, ${free} bytes are free`,
      { hint: 'free some space, or choose another --out' },
    );
  }
  await onFile('write', marker, () => writeFile(marker, text));
}

/** The export is whole. */
export async function endExport({ marker }: Destination): Promise<void> {
  await onFile('remove', marker, () => rm(marker));
}

/** @param files their places, where no folder of their own is made for them */
async function refuseOther(
  folder: string,
  files: readonly string[] | undefined,
  marker: string | undefined,
): Promise<void> {
  if (marker !== undefined) {
    throw new EsparseError('usage', `${files?.at(-1) ?? folder} holds an unfinished export of another kind`, {
      hint: `finish it with the same command as before (${marker.trim().slice(0, 200)}), or choose another --out`,
    });
  }
  const names = await (await openObjects(folder)).children('');
  const taken = files?.find((file) => names.includes(path.basename(file)));
  if (files === undefined ? names.length === 0 : taken === undefined) return;
  throw new EsparseError(
    'usage',
    `${taken ?? folder} ${taken === undefined ? 'is not empty' : 'exists'}: nothing is overwritten`,
    {
      hint: 'choose another --out',
    },
  );
}

/** Files come from a format: their names become paths. @throws EsparseError 'internal' */
export function checkFiles(files: readonly ExportFile[]): Readonly<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for (const { name, parts } of files) {
    if (!isPlainName(name) || Object.hasOwn(bytes, name)) {
      throw new EsparseError(
        'internal',
        `an export cannot have a file ${JSON.stringify(name)}, or has it twice`,
      );
    }
    bytes[name] = parts.reduce((sum, part) => sum + part.bytes, 0);
  }
  return bytes;
}
