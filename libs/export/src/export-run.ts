import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { bytesInParts, openObjects, writeInParts } from '@esparse/storage';
import type { Run } from '@esparse/store';
import { beginExport, checkFiles, destinationOf, endExport, lockDestination } from './destination.ts';
import type { ExportDtype } from './dtype/dtypes.ts';
import { roundedBetween, type RoundedTensors } from './dtype/in-dtype.ts';
import type { ExportFile, ExportFormat } from './format.ts';
import { foldGraphSource } from './graph/fold-graph-source.ts';
import { foldSource, type FoldedLinear } from './fold/fold-source.ts';
import { isGraphSource, openExportSource, type ExportSource, type GraphSource } from './source.ts';

export interface ExportOptions {
  readonly run: Run;
  readonly format: ExportFormat;
  /** A folder that is empty or new; the path of a new file where the format is one file. */
  readonly out: string;
  /** Moves the orders of linears into those before them, where that is exact. @default false: the original order */
  readonly fold?: boolean;
  /** Type of the weights. @default the format's: as they are stored, or f32 */
  readonly dtype?: ExportDtype | undefined;
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
  /** With `fold`: what became of every pruned linear. */
  readonly linears?: readonly FoldedLinear[];
  /** With `dtype`: what was rounded; empty where every weight is what it was. */
  readonly rounded?: readonly RoundedTensors[];
}

/**
 * Exports a finished run. A tensor is in memory at a time. Each file is written under a temporary name and renamed when it
 * is whole; what an attempt that was cut off has written is kept.
 *
 * @throws EsparseError 'store' for a run that is not finished, 'usage' for a place where other things are, 'space' where
 *   the disk is too small, 'unsupported' for a weight that `dtype` does not hold, 'locked' where another process exports to the same folder
 */
export async function exportRun({
  run,
  format,
  out,
  fold = false,
  dtype,
  signal,
  onProgress,
}: ExportOptions): Promise<ExportReport> {
  const opened = await openExportSource(run);
  const { form, files, linears, rounded } = await filesOf(opened, { format, fold, dtype, out, signal });
  const destination = destinationOf(out, form, files.at(-1)?.name);
  const sizes = checkFiles(files);
  const totalBytes = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
  const lease = await lockDestination(destination, form);
  try {
    const identity = { run: run.fingerprint, format: format.name, fold, dtype, files: sizes };
    await beginExport(destination, form, identity);
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
  return {
    ...{ run: run.fingerprint, format: format.name, out, files: files.length, bytes: totalBytes },
    ...(linears !== undefined && { linears }),
    ...(dtype !== undefined && { rounded: await rounded() }),
  };
}

interface FileOptions extends Pick<ExportOptions, 'format' | 'dtype' | 'out' | 'signal'> {
  readonly fold: boolean;
}

interface Files {
  readonly form: ExportFormat['form'];
  readonly files: readonly ExportFile[];
  readonly linears?: readonly FoldedLinear[] | undefined;
  /** What a type that was asked for rounds. */
  readonly rounded: () => Promise<readonly RoundedTensors[]>;
}

async function filesOf(
  opened: ExportSource | GraphSource,
  { format, fold, dtype, out, signal }: FileOptions,
): Promise<Files> {
  if (isGraphSource(opened)) return graphFiles(opened, { format, fold, dtype, out, signal });
  const { source: inOrder, linears } = fold
    ? await foldSource(opened, signal)
    : { source: opened, linears: undefined };
  const source = inDtype(inOrder, format, dtype);
  return {
    ...{ form: format.form, files: await format.files(source, signal), linears },
    rounded: () => roundedBetween(opened, source),
  };
}

/** @throws EsparseError 'unsupported' for a format that holds no graphs, 'usage' for what is not done to them */
async function graphFiles(
  source: GraphSource,
  { format: { name: format, graphs }, fold, dtype, out, signal }: FileOptions,
): Promise<Files> {
  if (graphs === undefined) {
    throw new EsparseError('unsupported', `the run is of a graph, which the format ${format} does not hold`, {
      hint: 'export it with --format onnx',
    });
  }
  if (dtype !== undefined) {
    throw new EsparseError('usage', 'weights of a graph keep the type that they have in it', {
      hint: 'leave --dtype out',
    });
  }
  const rounded = () => Promise.resolve([]);
  const name = path.basename(path.resolve(out));
  if (!fold) return { form: graphs.form, files: await graphs.files(source, { name }), rounded };
  const { moved, linears } = await foldGraphSource(source, signal);
  return { form: graphs.form, files: await graphs.files(source, { name, moved }), linears, rounded };
}

/** @throws EsparseError 'usage' where a type is asked of a format without weights */
function inDtype(source: ExportSource, { name, weights }: ExportFormat, asked?: ExportDtype): ExportSource {
  if (asked !== undefined && weights === undefined) {
    throw new EsparseError('usage', `the format ${name} has no weights that could be of the type ${asked}`, {
      hint: 'leave --dtype out',
    });
  }
  const dtype = asked ?? weights?.dtype;
  return dtype === undefined ? source : weights!.inDtype(source, dtype);
}
