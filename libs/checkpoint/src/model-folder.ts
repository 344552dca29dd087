import { stat } from 'node:fs/promises';
import { openFolder, parseLocation, resolveLocation, type ByteFolder } from '@esparse/storage';
import { EsparseError } from '@esparse/errors';
import { readWhole } from './checkpoint-file.ts';
import { ggufFolder } from './gguf/folder.ts';
import { onnxFolder } from './onnx/folder.ts';
import { MAX_GRAPH_BYTES } from './onnx/graph-file.ts';
import type { Branches } from './onnx/view.ts';

/**
 * The files of a model at a location: those of a folder, or those that a GGUF or an ONNX file stands for.
 * @param branches of an ONNX file: which branch of each If is looked into
 * @throws EsparseError 'usage' for a text that is no location
 */
export async function openModelFolder(location: string, branches?: Branches): Promise<ByteFolder> {
  if (!(await isFile(location))) return openFolder(location);
  const { folder, name } = await fileAt(location);
  return isGraphFile(name) ? onnxFolder(folder, name, branches) : ggufFolder(folder, name);
}

/** By its name; on this machine, where the cache of the Hugging Face hub has files without one, by what it is. */
async function isFile(location: string): Promise<boolean> {
  if (/\.(gguf|onnx)$/i.test(location)) return true;
  if (parseLocation(location).scheme !== 'file') return false;
  const found = await stat(location).catch(() => undefined);
  return found?.isFile() === true;
}

/** Whether a location is that of a graph of ONNX, by its name. */
export function isGraphFile(location: string): boolean {
  return /\.onnx$/i.test(location);
}

/**
 * The bytes of an .onnx file, as they are.
 * @throws EsparseError 'checkpoint' where there is none, or it is too large
 */
export async function readGraphFile(location: string, signal?: AbortSignal): Promise<Uint8Array> {
  const { folder, name } = await fileAt(location);
  const bytes = await readWhole(folder, name, MAX_GRAPH_BYTES, signal);
  if (bytes !== undefined) return bytes;
  throw new EsparseError('checkpoint', `there is no file ${location}`);
}

/** A file and the folder that it is in. */
async function fileAt(location: string): Promise<{ readonly folder: ByteFolder; readonly name: string }> {
  // A file that is named may be a link: it is that file which is meant.
  const file = await resolveLocation(location).catch(() => location);
  const end = file.lastIndexOf('/');
  const parent = end === -1 ? '.' : file.slice(0, Math.max(end, 1));
  return { folder: await openFolder(parent), name: file.slice(end + 1) };
}
