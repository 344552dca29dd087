import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { RequestError } from '@esparse/errors';
import Fastify, { LogController, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import {
  BODY_TIMEOUT_MS,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_HEADER_BYTES,
  TCP_KEEP_ALIVE_MS,
} from '../limits.ts';
import type { ServerContext } from '../server-context.ts';
import { closedStatus } from './answer-status.ts';
import { answerBrokenRequest, answerExpectation } from './broken-request.ts';
import { errorAnswer, errorAnswerOf, sendError, type ErrorAnswer } from './error-answer.ts';
import { parseJsonBody } from './json-body.ts';
import { modelRoutes } from './routes/models.ts';
import { operationRoutes } from './routes/operation.ts';
import { textRoutes } from './routes/text.ts';
import { closeWithConnection } from './waiting-answers.ts';

/** How often Node looks for requests that arrive too slowly. */
const TIMEOUT_CHECK_MS = 1_000;

/** Polled by machines every few seconds: neither counted, so that reading changes nothing, nor logged. */
const PROBES: ReadonlySet<string> = new Set(['/health', '/ready', '/metrics']);

export interface HttpTimeouts {
  readonly headersMs: number;
  readonly bodyMs: number;
}

/** The HTTP server with all its routes; it does not listen yet. */
export function createApp(
  context: ServerContext,
  log: Logger,
  { headersMs, bodyMs }: HttpTimeouts = { headersMs: HEADERS_TIMEOUT_MS, bodyMs: BODY_TIMEOUT_MS },
): FastifyInstance {
  const { keys, limits, metrics, allowsHost } = context;
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytes,
    genReqId: () => `req-${randomBytes(8).toString('hex')}`,
    return503OnClosing: false,
    forceCloseConnections: true,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      void reply.header('x-request-id', request.id);
      void sendError(reply, errorAnswerOf(error, request.log, limits.bodyBytes));
    },
    serverFactory: (handler) => {
      const server = createServer(
        {
          headersTimeout: headersMs,
          requestTimeout: bodyMs,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          maxHeaderSize: MAX_HEADER_BYTES,
          keepAlive: true,
          keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
          noDelay: true,
          // Node's own refusal has no body; ours is made below.
          requireHostHeader: false,
        },
        handler,
      );
      server.maxConnections = limits.connections;
      server.on('checkExpectation', answerExpectation);
      return server;
    },
  }) as unknown as FastifyInstance;

  // Only JSON is accepted.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => {
    try {
      done(null, parseJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });

  app.addHook('onRequest', (request, reply, done) => {
    const received = performance.now();
    closeWithConnection(request.raw.socket, reply.raw);
    void reply.header('x-request-id', request.id);
    reply.raw.once('close', () => {
      const route = request.routeOptions.url ?? 'unknown';
      if (PROBES.has(route)) return;
      const status = closedStatus(reply.raw);
      const seconds = (performance.now() - received) / 1000;
      metrics.request({ route, method: request.method, status }, seconds);
      request.log.info({ method: request.method, route, status, seconds }, 'request');
    });
    if (request.raw.httpVersion === '1.1' && request.headers.host === undefined) done(withoutHost());
    else if (!allowsHost(request.headers.host)) void sendError(reply, unknownHost());
    else if (keys === undefined || request.routeOptions.url === '/health') done();
    else if (keys.accepts(request.headers.authorization)) done();
    else done(unauthorized());
  });

  app.setErrorHandler((error, request, reply) =>
    sendError(reply, errorAnswerOf(error, request.log, limits.bodyBytes)),
  );
  app.setNotFoundHandler((request, reply) => sendError(reply, noSuchRoute(app, request)));

  operationRoutes(app, context);
  modelRoutes(app, context);
  textRoutes(app, context);
  return app;
}

/** Every request of HTTP/1.1 names the host that it is for (RFC 9112, 3.2). */
function withoutHost(): RequestError {
  return new RequestError('invalid', 'the request has no Host header', { code: 'missing_host' });
}

/** 421 of HTTP: the request was directed at a server that does not answer for that name. */
function unknownHost(): ErrorAnswer {
  return errorAnswer(421, 'this server does not answer for the Host of the request: see --allowed-hosts', {
    code: 'unknown_host',
  });
}

function unauthorized(): RequestError {
  return new RequestError('unauthenticated', 'give a valid API key as Authorization: Bearer KEY', {
    code: 'invalid_api_key',
  });
}

/** 405 where the path is there for other methods, else 404. */
function noSuchRoute(app: FastifyInstance, request: FastifyRequest): ErrorAnswer {
  const path = request.url.split('?', 1)[0]!;
  const methods = (['GET', 'HEAD', 'POST'] as const).filter((method) =>
    app.hasRoute({ method, url: path.startsWith('/v1/models/') ? '/v1/models/*' : path }),
  );
  const shown = `${request.method} ${path.slice(0, 200)}`;
  if (methods.length === 0) return errorAnswer(404, `there is no ${shown}`, { code: 'not_found' });
  const allow = methods.join(', ');
  return errorAnswer(405, `${shown} is not possible: ${allow}`, {
    code: 'method_not_allowed',
    headers: { allow },
  });
}
