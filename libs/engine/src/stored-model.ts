import { describeModel } from '@esparse/model';
import { requireFinished } from '@esparse/model-store';
import type { ObjectStore } from '@esparse/storage';
import { openStore, requireSound, type Run } from '@esparse/store';
import { contextOf } from './context.ts';
import type { OpenedModel } from './open-model.ts';
import type { VerifyMode } from './verify-mode.ts';
import { cachePlace } from './weights/cache-place.ts';
import { cachedSource } from './weights/cached-source.ts';
import { directSource, storeArrays, type ArraySource } from './weights/store-arrays.ts';

/** Which run of which store, and where its arrays are mapped from: see `EngineOptions`. */
export interface StoredModelOptions {
  readonly store: string | ObjectStore;
  readonly run?: string | undefined;
  readonly cacheDirectory?: string | undefined;
  readonly cacheBytes?: number | undefined;
  readonly verify?: VerifyMode | undefined;
  readonly maxContext?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens a finished run of a store, and the files that its arrays are mapped from.
 *
 * @throws EsparseError 'store' for a run that is not finished, damaged or of a newer format; 'usage' for a context that
 * the model does not reach
 */
export async function openStoredModel(options: StoredModelOptions): Promise<OpenedModel> {
  const { verify = 'none' } = options;
  const store = await openStore(options.store);
  const run = await store.openRun(options.run);
  const { config } = await requireFinished(run);
  const description = describeModel(config);
  const maxContext = contextOf(description, options.maxContext);
  const opened = { run: run.fingerprint, config, description, maxContext };
  if (isCopied(store.objects, options.cacheDirectory)) {
    const arrays = storeArrays(run, await copiesOf(run, options));
    return { ...opened, arrays, verified: Promise.resolve() };
  }
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, ...(options.signal ? [options.signal] : [])]);
  const verified = verify === 'none' ? Promise.resolve() : requireSound(run, signal);
  // Whoever awaits it gets the error; after the end of the model nobody does.
  verified.catch(() => undefined);
  if (verify === 'full') await verified;
  const source = directSource();
  const close = () => {
    closing.abort();
    return source.close();
  };
  return { ...opened, arrays: storeArrays(run, { ...source, close }), verified };
}

/**
 * Whether the arrays of a store are copied before they are mapped. What is copied is always compared with its checksums;
 * where the copies are there already, `verify` says whether they are.
 */
export function isCopied(objects: ObjectStore, cacheDirectory: string | undefined): boolean {
  return cacheDirectory !== undefined || objects.fileOf === undefined;
}

function copiesOf(run: Run, options: StoredModelOptions): Promise<ArraySource> {
  const verify = (options.verify ?? 'none') !== 'none';
  return cachedSource(run.fingerprint, { ...cachePlace(options), verify });
}
