import type { PluginLoader } from '@esparse/model';
import type { ServerTls } from '@esparse/protocol';
import type { Logger } from 'pino';
import {
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_QUEUE,
  DEFAULT_MAX_SEQUENCES,
  DEFAULT_REQUEST_SECONDS,
  MAX_BODY_BYTES,
} from './limits.ts';
import type { VerifyMode } from '@esparse/engine';
import type { ServerLimits } from './server-context.ts';

/** Options of a server; those that are absent have the defaults of `limits.ts`. TLS is that of gRPC. */
export interface ServeOptions extends ServerTls {
  /** The store of a pruned model; this, or `model`. */
  readonly store?: string | undefined;
  /** A checkpoint in a folder of this machine, served as it is. */
  readonly model?: string | undefined;
  /** Run to serve, or its first digits. @default the current one, followed when it changes */
  readonly run?: string | undefined;
  /** What clients call the model. @default what it was called when it was pruned, else the name of the store or the checkpoint */
  readonly modelName?: string | undefined;
  /** File of a Jinja template to write chats with. @default the checkpoint's own */
  readonly chatTemplateFile?: string | undefined;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** HOST:PORT of the gRPC service. @default none */
  readonly grpc?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  /** Names that requests over HTTP may give as their Host, see `hostGuard`. @default any */
  readonly allowedHosts?: readonly string[] | undefined;
  readonly maxSequences?: number | undefined;
  /** @default the engine's: the model's positions, at most 4096 */
  readonly maxContext?: number | undefined;
  /** What computes: `cpu`, or an NVIDIA GPU as `cuda` or `cuda:N`. @default 'cpu' */
  readonly device?: string | undefined;
  /** Threads of the engine. @default all processors */
  readonly threads?: number | undefined;
  /** Bound of the key-value cache in bytes. @default the engine's: 1 GiB, or on a GPU what memory is left */
  readonly kvBytes?: number | undefined;
  /** Folder on a local disk for copies of the arrays, for a store on a network. @default the store's files are mapped */
  readonly cacheDirectory?: string | undefined;
  /** Bound of that folder. @default the engine's, 64 GiB */
  readonly cacheBytes?: number | undefined;
  readonly maxQueue?: number | undefined;
  readonly maxBodyBytes?: number | undefined;
  readonly maxConnections?: number | undefined;
  readonly requestSeconds?: number | undefined;
  readonly drainSeconds?: number | undefined;
  /** A model family that does not come with esparse. @default none */
  readonly family?: PluginLoader | undefined;
  /** An encoding that does not come with esparse. @default none */
  readonly encoding?: PluginLoader | undefined;
  /** Follow the store's current run. */
  readonly watch?: boolean | undefined;
  /** @default 'full' */
  readonly verify?: VerifyMode | undefined;
  /** Ends the start: a server that is ready is stopped by its `close`. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Logger;
}

/** The limits that clients meet, with their defaults. */
export function limitsOf(options: ServeOptions): ServerLimits {
  return {
    bodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    requestSeconds: options.requestSeconds ?? DEFAULT_REQUEST_SECONDS,
    connections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    maxSequences: options.maxSequences ?? DEFAULT_MAX_SEQUENCES,
    maxQueue: options.maxQueue ?? DEFAULT_MAX_QUEUE,
  };
}
