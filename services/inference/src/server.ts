import { isIP } from 'node:net';
import { EsparseError, messageOf, RequestError, toEsparseError } from '@esparse/errors';
import type { FamilyLoader } from '@esparse/model';
import type { Logger } from 'pino';
import { startEngine } from './engine/start-engine.ts';
import { createAdmission } from '@esparse/engine';
import { createEventLoopPacer } from './generate/event-loop-pacer.ts';
import { createTextService } from './generate/service.ts';
import { startGrpc } from './grpc/server.ts';
import { readApiKeys } from './http/api-keys.ts';
import { createApp } from './http/app.ts';
import type { HttpContext } from './http/context.ts';
import {
  DEFAULT_DRAIN_SECONDS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_QUEUE,
  DEFAULT_MAX_SEQUENCES,
  DEFAULT_REQUEST_SECONDS,
  MAX_BODY_BYTES,
  MIXED_STEP_PREFILL_TOKENS,
  STEP_PREFILL_TOKENS,
  WATCH_INTERVAL_MS,
} from './limits.ts';
import { watchEventLoop } from './metrics/event-loop.ts';
import { createMetrics } from './metrics/metrics.ts';
import { createChatRenderer } from './model/chat-renderer.ts';
import type { ServerTls } from '@esparse/protocol';
import { createLoader, type VerifyMode } from './model/loader.ts';
import { createServedModels } from './model/served-model.ts';
import { watch as watchStore } from './model/watch.ts';

/** Options of a server; those that are absent have the defaults of `limits.ts`. TLS is that of gRPC. */
export interface ServeOptions extends ServerTls {
  readonly store: string;
  /** Run to serve, or its first digits. @default the current one, followed when it changes */
  readonly run?: string | undefined;
  /** What clients call the model. @default what it was called when it was pruned, else the store's name */
  readonly modelName?: string | undefined;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** HOST:PORT of the gRPC service. @default none */
  readonly grpc?: string | undefined;
  readonly apiKeyFile?: string | undefined;
  readonly maxSequences?: number | undefined;
  /** @default the engine's: the model's positions, at most 4096 */
  readonly maxContext?: number | undefined;
  /** Threads of the engine. @default all processors */
  readonly threads?: number | undefined;
  /** Bound of the key-value cache in bytes. @default the engine's, 1 GiB */
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
  readonly family?: FamilyLoader | undefined;
  /** Follow the store's current run. */
  readonly watch?: boolean | undefined;
  /** @default 'full' */
  readonly verify?: VerifyMode | undefined;
  readonly log: Logger;
}

/** A server that answers. */
export interface RunningServer {
  /** http://HOST:PORT */
  readonly url: string;
  /** HOST:PORT of the gRPC service, where there is one. */
  readonly grpc: string | undefined;
  /** Fingerprint of the run that new requests use. */
  run(): string | undefined;
  /** Looks for a new current run, and serves it; tries again one that was refused. */
  reload(): Promise<void>;
  /** Refuses new requests, lets running ones end within the time to drain, and stops. */
  close(): Promise<void>;
  /** Rejects when the server cannot go on. */
  readonly failed: Promise<never>;
}

/** How long the last bytes of answers may take to leave once everything has ended. */
const FLUSH_MS = 1_000;
const DRAIN_CHECK_MS = 20;

/**
 * Starts a server. It listens at once, `/ready` answering 503, and is given when the model is loaded.
 *
 * @throws EsparseError where the store is damaged or cannot be served, or an address cannot be had
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { log, maxSequences = DEFAULT_MAX_SEQUENCES, maxQueue = DEFAULT_MAX_QUEUE } = options;
  const limits = {
    bodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    requestSeconds: options.requestSeconds ?? DEFAULT_REQUEST_SECONDS,
    connections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
    maxSequences,
    maxQueue,
  };
  const keys = options.apiKeyFile === undefined ? undefined : await readApiKeys(options.apiKeyFile);
  if (keys === undefined && !isLoopback(options.host)) {
    log.warn({ host: options.host }, 'listening beyond this machine without an API key: set --api-key-file');
  }
  const eventLoop = watchEventLoop();
  const admission = createAdmission(maxSequences, maxQueue);
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  failed.catch(() => undefined); // whoever awaits it gets the error; no one has to

  const engine = startEngine(
    {
      store: options.store,
      threads: options.threads,
      maxContext: options.maxContext,
      kvBytes: options.kvBytes,
      cacheDirectory: options.cacheDirectory,
      cacheBytes: options.cacheBytes,
      family: options.family,
      limits: {
        maxSequences,
        prefillTokens: STEP_PREFILL_TOKENS,
        mixedPrefillTokens: MIXED_STEP_PREFILL_TOKENS,
      },
    },
    {
      onStep: (report) => {
        metrics.step(report);
      },
      onFailure: (error) => {
        service.drain();
        log.fatal({ err: error }, 'the engine has failed');
        fail(error);
      },
    },
  );
  const metrics = createMetrics({ state: engine.state, admitted: () => admission.held, eventLoop });
  const models = createServedModels(({ id, run }) => {
    engine.unload(id);
    log.info({ run }, 'model is closed');
  });
  const renderer = createChatRenderer();
  const nextTurn = createEventLoopPacer();
  const service = createTextService({ engine, models, admission, renderer, observer: metrics, nextTurn });
  const loader = createLoader(
    {
      store: options.store,
      run: options.run,
      modelName: options.modelName,
      verify: options.verify ?? 'full',
    },
    { engine, models, log, swapped: metrics.swap },
  );
  const context: HttpContext = { service, metrics, keys, limits, nextTurn };
  const app = createApp(context, log);
  let answering = 0;
  app.addHook('onRequest', (_, reply, done) => {
    answering++;
    reply.raw.once('close', () => answering--);
    done();
  });
  let grpc: Awaited<ReturnType<typeof startGrpc>> | undefined;
  let stopWatching: (() => void) | undefined;

  const stop = async () => {
    stopWatching?.();
    loader.close();
    eventLoop.stop();
    renderer.close();
    await Promise.all([app.close(), grpc?.close()]);
    await engine.stop();
  };

  try {
    const url = await listen(app, options);
    if (options.grpc !== undefined) grpc = await startGrpc(context, options.grpc, options, log);
    await loader.open();
    grpc?.setServing(true);
    eventLoop.ready();
    if (options.watch === true) stopWatching = watchStore(() => loader.reload(false), WATCH_INTERVAL_MS);
    log.info({ url, grpc: grpc?.address, run: models.current?.run }, 'server is ready');
    return {
      url,
      grpc: grpc?.address,
      failed,
      run: () => models.current?.run,
      reload: () => loader.reload(true),
      async close() {
        service.drain();
        grpc?.setServing(false);
        stopWatching?.();
        const seconds = options.drainSeconds ?? DEFAULT_DRAIN_SECONDS;
        log.info({ texts: admission.held, seconds }, 'draining');
        await until(() => admission.held === 0, seconds * 1000);
        service.abort(new RequestError('unavailable', 'the server is stopping', { code: 'draining' }));
        await until(() => answering === 0, FLUSH_MS);
        await stop();
        log.info('server stopped');
      },
    };
  } catch (error) {
    await stop();
    throw toEsparseError(error);
  }
}

async function listen(app: ReturnType<typeof createApp>, { host, port }: ServeOptions): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    throw new EsparseError('usage', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {
      hint: 'give --host and --port with a port that is free',
      cause: error,
    });
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Waits until a condition holds, at most this long. */
async function until(holds: () => boolean, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!holds() && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
  }
}
