import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { createGate } from './gate.ts';
import { CONNECT_TIMEOUT_MS, IDLE_TIMEOUT_MS, MAX_ATTEMPTS, MAX_REQUESTS } from './limits.ts';

/** A connection to S3, shared by all buckets of a process. */
export interface Connection {
  readonly client: S3Client;
  /** Bounds what is under way: every request goes through it. */
  readonly gate: ReturnType<typeof createGate>;
  /** Tries of a request, and of a body that breaks off. */
  readonly attempts: number;
  /** How messages name the server: 'S3', or its endpoint. */
  readonly endpoint: string;
}

let last: { readonly variables: string; readonly connection: Connection } | undefined;

/**
 * The connection that the environment describes, by the usual variables (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
 * AWS_REGION, AWS_ACCESS_KEY_ID …) and profile files. An endpoint is addressed by path (`endpoint/bucket/key`), as
 * servers that are not Amazon's need it, and its region is us-east-1 unless one is given.
 */
export function connect(): Connection {
  // That later versions of the SDK will want a newer Node is no news for users of this one.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const variables = JSON.stringify(Object.entries(process.env).filter(([name]) => name.startsWith('AWS_')));
  if (last?.variables !== variables) last = { variables, connection: makeConnection() };
  return last.connection;
}

function makeConnection(): Connection {
  const { env } = process;
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  const region =
    env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? (endpoint === undefined ? undefined : 'us-east-1');
  const attempts = Number(env.AWS_MAX_ATTEMPTS) || MAX_ATTEMPTS;
  const client = new S3Client({
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(region !== undefined && { region }),
    retryMode: 'standard',
    maxAttempts: attempts,
    // Trailing checksums, the SDK's default, are unknown to many servers. The store has checksums of its own.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: IDLE_TIMEOUT_MS,
      httpAgent: { keepAlive: true, maxSockets: MAX_REQUESTS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_REQUESTS },
    }),
  });
  return { client, gate: createGate(MAX_REQUESTS), attempts, endpoint: endpoint ?? 'S3' };
}
