import { isIP } from 'node:net';
import { cannotListen, EsparseError, RequestError, toEsparseError } from '@esparse/errors';
import { openStore } from '@esparse/store';
import { hostGuard, readApiKeys } from '@esparse/protocol';
import type { FastifyInstance } from 'fastify';
import { createCore } from './core.ts';
import { drain } from './drain.ts';
import { createEventLoopPacer } from './generate/event-loop-pacer.ts';
import { startGrpc } from './grpc/server.ts';
import { createApp } from './http/app.ts';
import { DEFAULT_DRAIN_SECONDS, WATCH_INTERVAL_MS } from './limits.ts';
import { placeOf } from './model/model-place.ts';
import { createChatRenderer, type ChatRenderer } from './model/chat-renderer.ts';
import { readChatTemplate } from './model/read-chat-template.ts';
import { watch as watchStore } from './model/watch.ts';
import { limitsOf, type ServeOptions } from './serve-options.ts';
import type { ServerContext } from './server-context.ts';
import { unlessAborted } from './unless-aborted.ts';

/** A server that answers. */
export interface RunningServer {
  /** http://HOST:PORT */
  readonly url: string;
  /** HOST:PORT of the gRPC service, where there is one. */
  readonly grpc: string | undefined;
  /** Fingerprint of the run that new requests use, or digest of the checkpoint. */
  run(): string | undefined;
  /** Looks for a new current run, and serves it; tries again one that was refused. */
  reload(): Promise<void>;
  /** Refuses new requests, lets running ones end within the time to drain, and stops. */
  close(): Promise<void>;
  /** Rejects when the server cannot go on. */
  readonly failed: Promise<never>;
}

/**
 * Starts a server. It listens at once, `/ready` answering 503, and is given when the model is loaded.
 *
 * @throws EsparseError where the store is damaged or cannot be served, or an address cannot be had; what `signal` was
 * aborted with where it ends the start
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { log } = options;
  requireGrpcForTls(options);
  const keys = options.apiKeyFile === undefined ? undefined : await readApiKeys(options.apiKeyFile);
  if (keys === undefined && !isLoopback(options.host)) {
    log.warn({ host: options.host }, 'listening beyond this machine without an API key: set --api-key-file');
  }
  // What is no store at all is refused before anything listens.
  const place = placeOf(options);
  if ('store' in place) await openStore(place.store);
  const renderer = createChatRenderer();
  const core = createCore(options, { renderer, chatTemplate: await chatTemplateOf(options, renderer) });
  const { service, admission, metrics, models, loader } = core;
  const context: ServerContext = {
    service,
    metrics,
    keys,
    limits: limitsOf(options),
    nextTurn: createEventLoopPacer(),
    allowsHost: hostGuard(options.allowedHosts),
  };
  const app = createApp(context, log);
  const answers = countAnswers(app);
  let grpc: Awaited<ReturnType<typeof startGrpc>> | undefined;
  let stopWatching: (() => void) | undefined;

  const stop = async () => {
    stopWatching?.();
    core.close();
    await Promise.all([app.close(), grpc?.close()]);
    await core.stopEngine();
  };

  try {
    const url = await listen(app, options);
    if (options.grpc !== undefined) grpc = await startGrpc(context, options.grpc, options, log);
    await unlessAborted(loader.open(), options.signal);
    grpc?.setServing(true);
    core.ready();
    if (options.watch === true && options.run === undefined) {
      stopWatching = watchStore(() => loader.reload(false), WATCH_INTERVAL_MS);
    }
    log.info({ url, grpc: grpc?.address, run: models.current?.identity }, 'server is ready');
    return {
      url,
      grpc: grpc?.address,
      failed: core.failed,
      run: () => models.current?.identity,
      reload: () => loader.reload(true),
      async close() {
        service.drain();
        grpc?.setServing(false);
        stopWatching?.();
        const seconds = options.drainSeconds ?? DEFAULT_DRAIN_SECONDS;
        log.info({ texts: admission.held, seconds }, 'draining');
        const abort = () => {
          service.abort(new RequestError('unavailable', 'the server is stopping', { code: 'draining' }));
        };
        await drain({ texts: () => admission.held, answers, abort }, seconds);
        await stop();
        log.info('server stopped');
      },
    };
  } catch (error) {
    await stop();
    throw toEsparseError(error);
  }
}

/** A certificate that nothing shows would let its owner believe that HTTP is encrypted. */
function requireGrpcForTls({ grpc, tlsCert, tlsKey, tlsClientCa }: ServeOptions): void {
  if (grpc !== undefined || (tlsCert ?? tlsKey ?? tlsClientCa) === undefined) return;
  throw new EsparseError('usage', 'a certificate was given for gRPC, which is not served: HTTP has no TLS', {
    hint: 'give --grpc, or leave the options of TLS out and put a proxy that speaks it before HTTP',
  });
}

/** The template that the options name, tried. */
async function chatTemplateOf(
  { chatTemplateFile }: ServeOptions,
  renderer: ChatRenderer,
): Promise<string | undefined> {
  if (chatTemplateFile === undefined) return undefined;
  try {
    return await readChatTemplate(chatTemplateFile, renderer);
  } catch (error) {
    renderer.close();
    throw error;
  }
}

/** Gives the number of HTTP requests that are not answered to the last byte. */
function countAnswers(app: FastifyInstance): () => number {
  let answering = 0;
  app.addHook('onRequest', (_, reply, done) => {
    answering++;
    reply.raw.once('close', () => answering--);
    done();
  });
  return () => answering;
}

async function listen(app: FastifyInstance, { host, port }: ServeOptions): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    throw cannotListen(`${host}:${port}`, '--port', error, '--host');
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
