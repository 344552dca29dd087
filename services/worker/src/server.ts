import { availableParallelism } from 'node:os';
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import { cannotListen, EsparseError } from '@esparse/errors';
import { setPruningThreads } from '@esparse/kernels';
import { showLocation } from '@esparse/storage';
import type { PluginLoader } from '@esparse/model';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  hostGuard,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  serverCredentials,
  SHARDS_AT_ONCE,
  workerServiceDefinition,
  type ServerTls,
} from '@esparse/protocol';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import type { WorkerMetrics } from './metrics.ts';
import { serveMetrics } from './metrics-server.ts';
import { runsShards, tryWorkerDevice, type WorkerDevice } from './device.ts';
import { guardRoots } from './roots.ts';
import { startCompute } from './start-compute.ts';
import { createCallQueue } from './call-queue.ts';
import { createWorkerService } from './worker-service.ts';

export interface WorkerOptions extends ServerTls {
  /** HOST:PORT to listen on; port 0 picks a free one. */
  readonly listen: string;
  /** Threads of ONNX Runtime. @default the processors that this process may use */
  readonly threads?: number | undefined;
  /** What runs blocks. @default 'cpu' */
  readonly device?: WorkerDevice | undefined;
  /** A model family that does not come with esparse. @default none */
  readonly family?: PluginLoader | undefined;
  /** An encoding that does not come with esparse. @default none */
  readonly encoding?: PluginLoader | undefined;
  /** Directories whose models and stores are served. Paths outside them are refused. */
  readonly roots: readonly string[];
  readonly log: Logger;
  /** HOST:PORT of `/metrics` and `/health` over HTTP; port 0 picks a free one. @default none */
  readonly metrics?: string | undefined;
  /** Names that requests over HTTP may give as their Host, see `hostGuard`. @default any */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Seconds that running calls have to end when the worker stops. @default DEFAULT_DRAIN_SECONDS */
  readonly drainSeconds?: number | undefined;
}

export interface RunningWorker {
  /** HOST:PORT that it listens on. */
  readonly address: string;
  /** HOST:PORT of the metrics, where they are served. */
  readonly metrics: string | undefined;
  /** Once the device is lost, with the error that told it: the process is to be started again. */
  readonly lost: Promise<EsparseError>;
  /** Stops taking calls, lets those that run finish for a while, then hands them back as unavailable. */
  close(): Promise<void>;
}

/** How long running calls may take to end. */
export const DEFAULT_DRAIN_SECONDS = 3;

/** How long calls that are handed back may take to leave. */
const LEAVE_MS = 500;

/** Calls on one connection at once: each costs memory, and those that compute are far fewer. */
const MAX_CONCURRENT_CALLS = 64;

const SERVICE = 'esparse.v1.Worker';

/** Loads what counts only where somebody asks for it. */
async function createMetrics(waiting: () => number): Promise<WorkerMetrics> {
  const { createWorkerMetrics } = await import('./metrics.ts');
  return createWorkerMetrics({ waiting });
}

/** Starts a worker: the esparse service and the standard health service. Clear text is for loopback, or `insecure`. */
export async function startWorker({
  listen,
  threads = availableParallelism(),
  device = 'cpu',
  family,
  encoding,
  roots,
  log,
  metrics: metricsListen,
  allowedHosts,
  drainSeconds = DEFAULT_DRAIN_SECONDS,
  ...tls
}: WorkerOptions): Promise<RunningWorker> {
  const secrets = await serverCredentials(tls, listen, '--listen');
  const guard = await guardRoots(roots);
  setPruningThreads(threads);
  const { arithmetic, gpuBytes = 0 } = await tryWorkerDevice(device);
  const compute = startCompute({ threads, device, family, encoding });
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_REPLY_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.max_concurrent_streams': MAX_CONCURRENT_CALLS,
    // No maximum age of a connection: grpc-js's client pings a connection that is asked to close, cannot, and drops its
    // calls. Clients resolve names again by themselves.
    // A pruner whose host vanished does not hold the queue.
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  });
  const stopping = new AbortController();
  // As many as another pruner sends at once wait, instead of being refused.
  const queue = createCallQueue(
    runsShards(device) ? { places: SHARDS_AT_ONCE, maxWaiting: SHARDS_AT_ONCE } : {},
  );
  const metrics = metricsListen === undefined ? undefined : await createMetrics(() => queue.waiting);
  server.addService(
    workerServiceDefinition,
    createWorkerService({
      ...{ threads, gpuBytes, compute, guard, queue, log, metrics },
      ...{ wholeShards: runsShards(device), stopping: stopping.signal },
    }),
  );
  health.addToServer(server);
  let serving = true;
  let metricsServer: Awaited<ReturnType<typeof serveMetrics>> | undefined;
  const unwind = async (error: unknown): Promise<never> => {
    await Promise.all([compute.stop(), metricsServer?.close()]);
    throw error;
  };
  if (metrics !== undefined && metricsListen !== undefined) {
    metricsServer = await serveMetrics(metrics, () => serving, metricsListen, hostGuard(allowedHosts)).catch(
      unwind,
    );
  }
  const port = await bind(server, listen, secrets).catch(unwind);
  const address = `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`;
  const security = tls.tlsCert === undefined ? 'none' : tls.tlsClientCa === undefined ? 'TLS' : 'mutual TLS';
  log.info(
    {
      address,
      threads,
      arithmetic,
      roots: roots.map((root) => showLocation(root)),
      security,
      metrics: metricsServer?.address,
    },
    'worker listens',
  );

  return {
    address,
    metrics: metricsServer?.address,
    lost: compute.lost,
    async close() {
      serving = false;
      health.setStatus('', 'NOT_SERVING');
      health.setStatus(SERVICE, 'NOT_SERVING');
      const ended = new Promise<void>((resolve) => {
        server.tryShutdown(() => {
          resolve();
        });
      });
      const handBack = setTimeout(() => {
        stopping.abort(new EsparseError('unavailable', 'the worker is stopping'));
      }, drainSeconds * 1000);
      const cut = setTimeout(
        () => {
          server.forceShutdown();
        },
        drainSeconds * 1000 + LEAVE_MS,
      );
      await ended;
      clearTimeout(handBack);
      clearTimeout(cut);
      await Promise.all([compute.stop(), metricsServer?.close()]);
      log.info({ address }, 'worker stopped');
    },
  };
}

function bind(server: Server, listen: string, secrets: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, secrets, (error, port) => {
      if (error === null) resolve(port);
      else {
        reject(cannotListen(listen, '--listen', error));
      }
    });
  });
}
