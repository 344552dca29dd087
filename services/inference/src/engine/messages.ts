import type { ErrorDetails, ErrorKind } from '@esparse/errors';
import type { ServeOptions } from '../serve-options.ts';
import type { DeviceFacts, DeviceUsage, Job, SchedulerLimits, StepResult, VerifyMode } from '@esparse/engine';

/** What the engine's thread is started with. */
export interface EngineSettings extends Pick<
  ServeOptions,
  | 'store'
  | 'model'
  | 'device'
  | 'threads'
  | 'maxContext'
  | 'kvBytes'
  | 'cacheDirectory'
  | 'cacheBytes'
  | 'family'
  | 'encoding'
> {
  readonly limits: SchedulerLimits;
}

/** What is known of a model once its engine is open. */
export interface EngineFacts {
  readonly run: string | undefined;
  readonly vocab: number;
  /** Tokens of a prompt and its text together, at most. */
  readonly maxContext: number;
  readonly pageTokens: number;
  readonly pageBytes: number;
  readonly pages: number;
  readonly weightBytes: Readonly<Record<string, number>>;
  /** What it computes on and with. */
  readonly device: DeviceFacts;
}

/** How full the engine is. */
export interface EngineState {
  readonly queued: number;
  readonly running: number;
  /** Pages of the key-value caches of all open models. */
  readonly pages: number;
  readonly freePages: number;
  /** How full and how busy GPUs are: looked at every half second while there are steps. Empty without one. */
  readonly devices: readonly DeviceState[];
}

/** A device, and what it has been doing. */
export interface DeviceState extends DeviceUsage {
  /** Bytes that it read in a second, between the last two looks at it. */
  readonly readRate: number;
  /** When it was looked at last, by `performance.timeOrigin + performance.now()`. */
  readonly at: number;
}

/** One step, reported to the main thread: a few numbers for each token. */
export interface StepReport extends StepResult {
  readonly state: EngineState;
  readonly seconds: number;
}

/** What is opened beside the settings. */
export interface LoadRequest {
  /** Undefined for a checkpoint. */
  readonly run: string | undefined;
  /** When the engine compares checksums: see `EngineOptions`. */
  readonly verify: VerifyMode;
}

/** An error on its way between threads. */
export type PlainError = { readonly kind: ErrorKind; readonly message: string } & ErrorDetails;

export type ToEngine =
  /** Opens a run of the store, or the checkpoint. */
  | ({ readonly type: 'load'; readonly model: number } & LoadRequest)
  | { readonly type: 'unload'; readonly model: number }
  | { readonly type: 'submit'; readonly jobs: readonly Job[] }
  | { readonly type: 'cancel'; readonly jobs: readonly number[] }
  /** One report was taken in: so many fewer are on the way. */
  | { readonly type: 'seen' };

export type FromEngine =
  | {
      readonly type: 'loaded';
      readonly model: number;
      readonly facts: EngineFacts;
      readonly state: EngineState;
    }
  | {
      readonly type: 'refused';
      readonly model: number;
      readonly error: PlainError;
    }
  | { readonly type: 'step'; readonly report: StepReport }
  /** No step will succeed any more: the thread ends. */
  | { readonly type: 'failed'; readonly error: PlainError }
  /** Something changed between steps. */
  | { readonly type: 'state'; readonly state: EngineState };
