import { EsparseError } from '@esparse/errors';
import type { ObjectStore } from '@esparse/storage';
import type { StoredModel } from './backends/backend.ts';
import { openCheckpointModel } from './checkpoint-model.ts';
import { openStoredModel } from './stored-model.ts';
import type { VerifyMode } from './verify-mode.ts';

/** Which model, and where its arrays are mapped from: see `EngineOptions`. */
export interface ModelOptions {
  readonly store?: string | ObjectStore | undefined;
  readonly run?: string | undefined;
  readonly model?: string | undefined;
  readonly cacheDirectory?: string | undefined;
  readonly cacheBytes?: number | undefined;
  readonly verify?: VerifyMode | undefined;
  readonly maxContext?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model, what it was made of, and how long its sequences may be. */
export interface OpenedModel extends StoredModel {
  /** Fingerprint of the run; undefined for a checkpoint. */
  readonly run: string | undefined;
  /** config.json of the checkpoint. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly maxContext: number;
  /** Resolves once every checksum is compared that was to be. @throws EsparseError 'store' naming the damage */
  readonly verified: Promise<void>;
}

/**
 * Opens a finished run of a store, or a checkpoint, and the files that its arrays are mapped from; the caller closes
 * `arrays`.
 *
 * @throws EsparseError 'usage' where both are named, or neither
 */
export function openModel({ store, model, ...options }: ModelOptions): Promise<OpenedModel> {
  if (store !== undefined && model === undefined) return openStoredModel({ store, ...options });
  if (store === undefined && model !== undefined) return openCheckpointModel({ model, ...options });
  throw new EsparseError('usage', 'one model is opened: a run of a store, or a checkpoint', {
    hint: 'name the one or the other',
  });
}
