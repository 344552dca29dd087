import { availableParallelism } from 'node:os';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  workerServiceDefinition,
} from '@esparse/protocol';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import { guardRoots } from './roots.ts';
import { startCompute } from './start-compute.ts';
import { createWorkerService } from './worker-service.ts';

export interface WorkerOptions {
  /** HOST:PORT to listen on; port 0 picks a free one. */
  readonly listen: string;
  /** Threads of ONNX Runtime. @default the processors that this process may use */
  readonly threads?: number | undefined;
  /** Directories whose models and stores are served. Paths outside them are refused. */
  readonly roots: readonly string[];
  readonly log: Logger;
}

export interface RunningWorker {
  /** HOST:PORT that it listens on. */
  readonly address: string;
  /** Stops taking calls, lets those that run finish for a moment, then ends them. */
  close(): Promise<void>;
}

/** How long running calls may take to finish when the worker is told to stop. */
const DRAIN_MS = 3000;

const SERVICE = 'esparse.v1.Worker';

/** Starts a worker: the esparse service and the standard health service, in clear text. */
export async function startWorker({
  listen,
  threads = availableParallelism(),
  roots,
  log,
}: WorkerOptions): Promise<RunningWorker> {
  const guard = await guardRoots(roots);
  const compute = startCompute(threads);
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' });
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_REPLY_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  });
  server.addService(workerServiceDefinition, createWorkerService({ threads, compute, guard, log }));
  health.addToServer(server);
  const port = await bind(server, listen).catch(async (error: unknown) => {
    await compute.stop();
    throw error;
  });
  const address = `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`;
  log.info({ address, threads, roots }, 'worker listens');

  return {
    address,
    async close() {
      health.setStatus('', 'NOT_SERVING');
      health.setStatus(SERVICE, 'NOT_SERVING');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, DRAIN_MS);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      });
      await compute.stop();
      log.info({ address }, 'worker stopped');
    },
  };
}

function bind(server: Server, listen: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(listen, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else {
        reject(
          new EsparseError('usage', `cannot listen on ${listen}: ${error.message}`, {
            hint: 'give --listen HOST:PORT, with a port that is free',
            cause: error,
          }),
        );
      }
    });
  });
}
