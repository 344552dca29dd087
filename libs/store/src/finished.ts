import { z } from 'zod';
import { joinKey, type ObjectStore } from '@esparse/storage';
import { checkDocument } from './json-document.ts';
import { FINISHED } from './layout.ts';
import { MAX_BLOCKS } from './limits.ts';
import { manifestSchema, type ManifestEntry } from './manifest.ts';
import { readSealedObject, type Attributes } from './sealed-document.ts';

/** What a finished run says of itself, and the manifest of its documents. */
export interface Finished {
  /** What was given to `finish`, with `blocks` and the total `bytes` of the run. */
  readonly summary: FinishedSummary;
  /** The documents that no other manifest lists: of the run, of each commit, of each folder of raw objects. */
  readonly objects: readonly ManifestEntry[];
}

/** The summary of a finished run. */
export interface FinishedSummary extends Attributes {
  /** Number of blocks. */
  readonly blocks: number;
  /** Bytes of all its objects, finished.json not counted. */
  readonly bytes: number;
}

const finishedSchema = z.looseObject({
  blocks: z.int().nonnegative().max(MAX_BLOCKS),
  bytes: z.int().nonnegative(),
  objects: manifestSchema,
});

/** Reads a run's finished.json; undefined where the run is not finished. @throws EsparseError 'store' if damaged */
export async function readFinished(store: ObjectStore, run: string): Promise<Finished | undefined> {
  const key = joinKey(run, FINISHED);
  const sealed = await readSealedObject(store, key);
  if (sealed === undefined) return undefined;
  const { objects, ...summary } = checkDocument(store, key, finishedSchema, sealed);
  return { summary, objects };
}
