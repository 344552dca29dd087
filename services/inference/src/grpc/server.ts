import { Server } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { cannotListen } from '@esparse/errors';
import {
  inferencePackage,
  inferenceServiceDefinition,
  serverCredentials,
  type ServerTls,
} from '@esparse/protocol';
import { HealthImplementation } from 'grpc-health-check';
import type { Logger } from 'pino';
import type { ServerContext } from '../server-context.ts';
import { MAX_HEADER_BYTES, TCP_KEEP_ALIVE_MS } from '../limits.ts';
import { inferenceHandlers } from './generate.ts';

const SERVICE = 'esparse.v1.Inference';

/** The gRPC side of the server. */
export interface GrpcServer {
  /** HOST:PORT that it listens on. */
  readonly address: string;
  /** What the health service says. */
  setServing(serving: boolean): void;
  /** Ends what still runs. */
  close(): Promise<void>;
}

/** Starts the inference service with the standard health and reflection services. */
export async function startGrpc(
  context: ServerContext,
  listen: string,
  tls: ServerTls,
  log: Logger,
): Promise<GrpcServer> {
  const secrets = await serverCredentials(tls, listen, '--grpc');
  const health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });
  const server = new Server({
    'grpc.max_receive_message_length': context.limits.bodyBytes,
    'grpc.max_metadata_size': MAX_HEADER_BYTES,
    'grpc.max_concurrent_streams': context.limits.connections,
    // Finds connections whose client vanished.
    'grpc.keepalive_time_ms': TCP_KEEP_ALIVE_MS,
    'grpc.keepalive_timeout_ms': TCP_KEEP_ALIVE_MS,
  });
  server.addService(inferenceServiceDefinition, inferenceHandlers(context, log));
  health.addToServer(server);
  new ReflectionService(inferencePackage, { services: [SERVICE] }).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, secrets, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(cannotListen(listen, '--grpc', error));
    });
  });
  return {
    address: `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`,
    setServing(serving) {
      for (const name of ['', SERVICE]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    },
    close: () =>
      new Promise((resolve) => {
        server.tryShutdown(() => {
          resolve();
        });
        server.forceShutdown();
      }),
  };
}
