import { homedir } from 'node:os';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { setComputeThreads } from '@esparse/kernels';
import { describeModel } from '@esparse/model';
import { requireFinished } from '@esparse/model-store';
import type { ObjectStore } from '@esparse/storage';
import { openStore, type Run, type Store } from '@esparse/store';
import { directSource, type ArraySource } from './weights/array-source.ts';
import { cachedSource } from './weights/cached-source.ts';
import { createEngine, type Engine } from './engine.ts';
import { createKeyValueCache } from './backends/cpu/key-value-cache.ts';
import { mapWeights } from './backends/cpu/model-weights.ts';
import { contextOf } from './backends/cpu/rotary-tables.ts';

/** Which model, and how much memory and how many threads it may have. */
export interface EngineOptions {
  /** The store of the model: a directory, `s3://bucket/prefix`, or objects anywhere. */
  readonly store: string | ObjectStore;
  /** The run, or its first letters. @default the current run */
  readonly run?: string | undefined;
  /** Threads of a step, the caller's among them. They belong to the process. @default all processors, or as set before */
  readonly threads?: number | undefined;
  /** The longest sequence. @default what the model reaches, at most 4096 */
  readonly maxContext?: number | undefined;
  /** The most tokens of one step: sizes the buffers, which take some 100 bytes for each channel. @default 512 */
  readonly maxStepTokens?: number | undefined;
  /** Bound of the key-value cache; memory is taken as it is used. @default 1 GiB */
  readonly kvBytes?: number | undefined;
  /**
   * A folder on a local disk to copy the weights to, once: useful for a store on a network file system.
   * @default the files of the store itself are mapped; where it has none, `~/.cache/esparse`
   */
  readonly cacheDirectory?: string | undefined;
  /** The most bytes of all runs in it; runs that nobody uses make room, the longest unused first. @default 64 GiB */
  readonly cacheBytes?: number | undefined;
  /** Compare every byte of the run with its checksums before anything else. @default false */
  readonly verify?: boolean | undefined;
}

const DEFAULT_KV_BYTES = 2 ** 30;
const DEFAULT_CACHE_BYTES = 64 * 2 ** 30;
const DEFAULT_STEP_TOKENS = 512;

/**
 * Opens a finished run of a store for generation. The weights are mapped, not read: a process is ready in the time that
 * its checks take, and all processes that serve the same store share one copy of it in memory.
 *
 * @throws EsparseError 'store' naming what is missing, of another size, damaged or of a newer format; 'usage' for options
 * out of range; 'unsupported' for a model that the engine cannot run
 * @example
 * const engine = await openEngine({ store: 'out/e.zarr' });
 * const sequence = engine.reserve(64)!;
 * const [logits] = engine.step([{ sequence, tokens: prompt, logits: 'last' }]);
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { maxStepTokens = DEFAULT_STEP_TOKENS, kvBytes = DEFAULT_KV_BYTES, threads } = options;
  if (!Number.isInteger(maxStepTokens) || maxStepTokens < 1) {
    throw new EsparseError('usage', `steps of ${maxStepTokens} tokens: a whole number above 0 was expected`);
  }
  const store = await openStore(options.store);
  const run = await store.openRun(options.run);
  const attributes = await requireFinished(run);
  const description = describeModel(attributes.config);
  const maxContext = contextOf(description, options.maxContext);
  if (options.verify === true) await requireSound(run);
  if (threads !== undefined) setComputeThreads(threads);
  const source = await sourceOf(run, store, options);
  try {
    return createEngine({
      run: run.fingerprint,
      description,
      attributes,
      weights: await mapWeights(run, description, source),
      cache: createKeyValueCache(description, kvBytes),
      maxContext,
      maxStepTokens,
      release: () => source.close(),
    });
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Maps the store's own files, or a copy. */
async function sourceOf(
  run: Run,
  { objects }: Store,
  { cacheDirectory, cacheBytes: bytes = DEFAULT_CACHE_BYTES, verify = false }: EngineOptions,
): Promise<ArraySource> {
  if (cacheDirectory === undefined && objects.fileOf !== undefined) return directSource();
  return cachedSource(run.fingerprint, {
    directory: cacheDirectory ?? defaultCacheDirectory(),
    bytes,
    verify,
  });
}

/** Where copies lie unless somebody says otherwise, by the XDG Base Directory Specification. */
function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: caches } = process.env;
  return path.join(
    caches !== undefined && path.isAbsolute(caches) ? caches : path.join(homedir(), '.cache'),
    'esparse',
  );
}

/** @throws EsparseError 'store' naming the first damage */
async function requireSound(run: Run): Promise<void> {
  const damages = (await run.verify()).filter(({ severity }) => severity === 'error');
  if (damages[0] === undefined) return;
  const more = damages.length > 1 ? ` (and ${damages.length - 1} more)` : '';
  throw new EsparseError('store', `run ${run.fingerprint} is damaged: ${damages[0].message}${more}`, {
    hint: 'restore the store from a copy, or prune again into another one',
    context: { object: damages[0].object },
  });
}
