import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cannotListen, messageOf } from '@esparse/errors';
import { livePage } from '@esparse/report-page';
import { hostOf, type Access } from './access.ts';
import type { LiveRun } from './live-run.ts';
import { enterPage } from './enter-page.ts';
import { createPruneMetrics } from './metrics.ts';
import { SAFETY } from './safety.ts';
import { createViewers, MAX_VIEWERS } from './viewers.ts';

/** A run to be looked at in a browser. */
export interface LiveServer {
  /** Where. */
  readonly url: string;
  /** Tells viewers that nothing comes any more, and stops listening. */
  close(): Promise<void>;
}

export interface LiveServerOptions {
  readonly run: LiveRun;
  /** HOST:PORT; port 0 picks a free one. */
  readonly listen: string;
  readonly access: Access;
  /** The report of what is committed so far, as a page. @throws EsparseError where there is none yet */
  readonly report: () => Promise<string>;
}

/** Connections: viewers, and what they ask for beside the events. */
const MAX_CONNECTIONS = 96;
const REQUEST_MS = 10_000;
/** A form with a key. */
const MAX_BODY_BYTES = 4_096;

/**
 * Serves a run's page, its events, its report and its metrics.
 *
 * @throws EsparseError 'usage' where it cannot listen
 */
export async function startLiveServer({
  run,
  listen,
  access,
  report,
}: LiveServerOptions): Promise<LiveServer> {
  const page = livePage();
  const viewers = createViewers(run);
  const metrics = createPruneMetrics();
  const html = (
    response: ServerResponse,
    status: number,
    body: string,
    headers: Record<string, string> = {},
  ) => {
    answer(response, status, 'text/html; charset=utf-8', body, {
      'content-security-policy': page.policy,
      ...headers,
    });
  };

  const routes: Readonly<
    Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>
  > = {
    '/': (_, response) => {
      html(response, 200, page.html);
    },
    '/live.js': (_, response) => {
      answer(response, 200, 'text/javascript; charset=utf-8', page.script);
    },
    '/live.css': (_, response) => {
      answer(response, 200, 'text/css; charset=utf-8', page.style);
    },
    '/events': (_, response) => {
      if (viewers.count >= MAX_VIEWERS) plain(response, 503, `there are ${MAX_VIEWERS} viewers already\n`);
      else viewers.add(response);
    },
    '/report': async (_, response) => {
      // It brings its own policy.
      answer(response, 200, 'text/html; charset=utf-8', await report());
    },
    '/metrics': async (_, response) => {
      answer(response, 200, metrics.contentType, await metrics.read(run.state));
    },
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url ?? '/', 'http://here');
    if (!access.allowsHost(request)) {
      plain(
        response,
        421,
        'no such host: name this server by its address, or give it a key (--ui-key-file)\n',
      );
    } else if (pathname === '/health') {
      plain(response, 200, 'serving\n');
    } else if (pathname === '/enter' && request.method === 'POST') {
      const cookie = access.enter(await keyIn(request));
      if (cookie === undefined) html(response, 403, enterPage(true));
      else response.writeHead(303, { ...SAFETY, location: './', 'set-cookie': cookie }).end();
    } else if (request.method !== 'GET') {
      plain(response, 405, 'GET only\n');
    } else if (!access.allows(request)) {
      if (pathname === '/') html(response, 401, enterPage(false));
      else if (pathname === '/live.css') await routes[pathname]!(request, response);
      else plain(response, 401, 'this needs a key: Authorization: Bearer KEY\n');
    } else {
      const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
      if (route === undefined) plain(response, 404, 'there are /, /events, /report, /metrics and /health\n');
      else await route(request, response);
    }
  };

  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 2_000 },
    (request, response) => {
      handle(request, response).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else plain(response, 503, `${messageOf(error)}\n`);
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(Number(listen.slice(listen.lastIndexOf(':') + 1)), hostOf(listen));
  try {
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(listen, '--ui', error);
  }
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${listen.slice(0, listen.lastIndexOf(':'))}:${port}/`,
    close: () =>
      new Promise((resolve) => {
        viewers.end();
        server.close(() => {
          resolve();
        });
        server.closeIdleConnections();
        // Those who do not read their last events are not waited for.
        setTimeout(() => {
          server.closeAllConnections();
        }, CLOSE_MS).unref();
      }),
  };
}

const CLOSE_MS = 1_000;

function answer(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...SAFETY, 'content-type': type, ...headers }).end(body);
}

function plain(response: ServerResponse, status: number, text: string): void {
  answer(response, status, 'text/plain; charset=utf-8', text);
}

/** The key of a form that was sent. */
async function keyIn(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += String(part);
    if (text.length > MAX_BODY_BYTES) return '';
  }
  return new URLSearchParams(text).get('key') ?? '';
}
