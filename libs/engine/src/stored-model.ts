import { homedir } from 'node:os';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { describeModel } from '@esparse/model';
import { requireFinished, type RunAttributes } from '@esparse/model-store';
import type { ObjectStore } from '@esparse/storage';
import { openStore, type Run, type Store } from '@esparse/store';
import type { StoredModel } from './backends/backend.ts';
import { contextOf } from './context.ts';
import { directSource, type ArraySource } from './weights/array-source.ts';
import { cachedSource } from './weights/cached-source.ts';

/** Which run of which store, and where its arrays are mapped from: see `EngineOptions`. */
export interface StoredModelOptions {
  readonly store: string | ObjectStore;
  readonly run?: string | undefined;
  readonly cacheDirectory?: string | undefined;
  readonly cacheBytes?: number | undefined;
  readonly verify?: boolean | undefined;
  readonly maxContext?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A stored model, how it was made, and how long its sequences may be. */
export interface OpenedModel extends StoredModel {
  readonly attributes: RunAttributes;
  readonly maxContext: number;
}

const DEFAULT_CACHE_BYTES = 64 * 2 ** 30;

/**
 * Opens a finished run of a store, and the files that its arrays are mapped from; the caller closes `arrays`.
 *
 * @throws EsparseError 'store' for a run that is not finished, damaged or of a newer format; 'usage' for a context that
 * the model does not reach
 */
export async function openStoredModel(options: StoredModelOptions): Promise<OpenedModel> {
  const store = await openStore(options.store);
  const run = await store.openRun(options.run);
  const attributes = await requireFinished(run);
  const description = describeModel(attributes.config);
  const maxContext = contextOf(description, options.maxContext);
  if (options.verify === true) await requireSound(run, options.signal);
  return { run, attributes, description, maxContext, arrays: await sourceOf(run, store, options) };
}

/** Maps the store's own files, or a copy. */
async function sourceOf(
  run: Run,
  { objects }: Store,
  { cacheDirectory, cacheBytes: bytes = DEFAULT_CACHE_BYTES, verify = false }: StoredModelOptions,
): Promise<ArraySource> {
  if (cacheDirectory === undefined && objects.fileOf !== undefined) return directSource();
  return cachedSource(run.fingerprint, {
    directory: cacheDirectory ?? defaultCacheDirectory(),
    bytes,
    verify,
  });
}

/** Where copies lie by default, by the XDG Base Directory Specification. */
function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: caches } = process.env;
  return path.join(
    caches !== undefined && path.isAbsolute(caches) ? caches : path.join(homedir(), '.cache'),
    'esparse',
  );
}

/** @throws EsparseError 'store' naming the first damage */
async function requireSound(run: Run, signal: AbortSignal | undefined): Promise<void> {
  const damages = (await run.verify(undefined, signal)).filter(({ severity }) => severity === 'error');
  if (damages[0] === undefined) return;
  const more = damages.length > 1 ? ` (and ${damages.length - 1} more)` : '';
  throw new EsparseError('store', `run ${run.fingerprint} is damaged: ${damages[0].message}${more}`, {
    hint: 'restore the store from a copy, or prune again into another one',
    context: { object: damages[0].object },
  });
}
