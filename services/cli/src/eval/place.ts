import { openFolder } from '@esparse/storage';
import type { SourceFlags } from '../options/source.ts';

/** Whether a place is a store, by the file that every store has, or a checkpoint. */
export async function flagsOf(place: string, signal: AbortSignal): Promise<SourceFlags> {
  if (/\.(gguf|onnx)$/i.test(place)) return { model: place };
  const root = await (await openFolder(place)).open('zarr.json', signal);
  await root?.close();
  return root === undefined ? { model: place } : { store: place };
}
