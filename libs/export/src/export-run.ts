import { mkdir } from 'node:fs/promises';
import { bytesInParts, onFile, openObjects, writeInParts } from '@esparse/storage';
import type { Run } from '@esparse/store';
import { beginExport, checkFiles, destinationOf, endExport } from './destination.ts';
import type { ExportFormat } from './format.ts';
import { openExportSource } from './source.ts';

export interface ExportOptions {
  readonly run: Run;
  readonly format: ExportFormat;
  /** A folder that is empty or new; the path of a new file where the format is one file. */
  readonly out: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: ExportProgress) => void;
}

/** How far an export is. */
export interface ExportProgress {
  /** The file that is being written. */
  readonly file: string;
  /** Bytes that are there, of all files together; those of an attempt that was cut off count. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface ExportReport {
  readonly run: string;
  readonly format: string;
  readonly out: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Exports a finished run. A tensor is in memory at a time. Each file is written under a temporary name and renamed when it
 * is whole; what an attempt that was cut off has written is kept.
 *
 * @throws EsparseError 'store' for a run that is not finished, 'usage' for a place where other things are, 'space' where
 *   the disk is too small, 'locked' where another process exports to the same folder
 */
export async function exportRun({
  run,
  format,
  out,
  signal,
  onProgress,
}: ExportOptions): Promise<ExportReport> {
  const destination = destinationOf(out, format.form);
  const source = await openExportSource(run);
  const files = await format.files(source, signal);
  const sizes = checkFiles(files);
  const totalBytes = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
  await onFile('make', destination.folder, () => mkdir(destination.folder, { recursive: true }));
  const lease = await (await openObjects(destination.folder)).lock();
  try {
    const identity = { run: run.fingerprint, format: format.name, files: sizes };
    await beginExport(destination, format.form, identity);
    let done = 0;
    for (const { name, parts } of files) {
      const file = destination.pathOf(name);
      const count = (bytes: number) => {
        done += bytes;
        onProgress?.({ file: name, bytes: done, totalBytes });
      };
      if ((await bytesInParts(file)).whole) count(sizes[name]!);
      else await writeInParts(file, parts, { signal, onWritten: count });
    }
    await (await openObjects(destination.folder)).sync(['']);
    await endExport(destination);
  } finally {
    await lease.release();
  }
  return { run: run.fingerprint, format: format.name, out, files: files.length, bytes: totalBytes };
}
