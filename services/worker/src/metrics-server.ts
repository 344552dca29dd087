import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cannotListen, messageOf } from '@esparse/errors';
import type { HostGuard } from '@esparse/protocol';
import type { WorkerMetrics } from './metrics.ts';

/** The HTTP side of a worker. */
export interface MetricsServer {
  /** HOST:PORT that it listens on. */
  readonly address: string;
  close(): Promise<void>;
}

/** Scrapers and probes: a few at once. */
const MAX_CONNECTIONS = 32;
const REQUEST_MS = 5_000;

/**
 * Serves `/metrics` in Prometheus' format, and `/health`: 200 while the worker takes calls, else 503. For probes, where
 * those of gRPC cannot be used: the ones of Kubernetes speak no TLS.
 *
 * @param listen - HOST:PORT; port 0 picks a free one.
 * @param allowsHost - Which Host a request may name.
 */
export async function serveMetrics(
  metrics: WorkerMetrics,
  serving: () => boolean,
  listen: string,
  allowsHost: HostGuard,
): Promise<MetricsServer> {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 },
    (request, response) => {
      const answer = (status: number, type: string, body: string) => {
        response.writeHead(status, { 'content-type': type }).end(body);
      };
      if (!allowsHost(request.headers.host)) answer(421, 'text/plain', 'no such host: see --allowed-hosts\n');
      else if (request.method !== 'GET') answer(405, 'text/plain', 'GET only\n');
      else if (request.url === '/health')
        answer(serving() ? 200 : 503, 'text/plain', serving() ? 'serving\n' : 'stopping\n');
      else if (request.url === '/metrics') {
        metrics.read().then(
          (text) => {
            answer(200, metrics.contentType, text);
          },
          (error: unknown) => {
            answer(500, 'text/plain', `${messageOf(error)}\n`);
          },
        );
      } else answer(404, 'text/plain', 'there are /metrics and /health\n');
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(Number(listen.slice(colon + 1)), host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(listen, '--metrics', error);
  }
  return {
    address: `${listen.slice(0, colon)}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
        metrics.stop();
      }),
  };
}
