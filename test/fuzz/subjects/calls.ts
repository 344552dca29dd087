import { cp, realpath } from 'node:fs/promises';
import path from 'node:path';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { startServer } from '@esparse/inference';
import { inferenceServiceDefinition, PROTOCOL_VERSION, workerServiceDefinition } from '@esparse/protocol';
import { createOrOpenStore } from '@esparse/store';
import { startWorker } from '@esparse/worker';
import { pino } from 'pino';
import { writeRandomStore } from '../../support/random-store.ts';
import { REPOSITORY } from '../../support/repository.ts';
import { mutateBytes } from '../mutate-bytes.ts';
import { mutateJson } from '../mutate-json.ts';
import type { Random } from '../random.ts';
import { BrokenLaw, type Subject } from '../subject.ts';

const SHAPE = { hidden: 32, intermediate: 48, blocks: 1, heads: 2, kvHeads: 1, vocab: 300 };
const RUN = '0123456789abcdef';
const SEQLEN = 4;

/** What a worker or server that is not stopping may answer. */
const STATUSES: ReadonlySet<status> = new Set([
  ...[status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND, status.PERMISSION_DENIED],
  ...[status.FAILED_PRECONDITION, status.RESOURCE_EXHAUSTED],
]);
/** What gRPC itself says of bytes that are no message. */
const NO_MESSAGE = 'deserializing request';

/** A method, how its requests are written, and one that it answers. */
interface Call {
  readonly path: string;
  readonly client: Client;
  readonly streams: boolean;
  readonly encode: (request: object) => Buffer;
  readonly request: object;
}

/** The methods of a service, as far as this file looks at them. */
type Methods = Readonly<
  Record<string, { path: string; responseStream: boolean; requestSerialize: (request: never) => Buffer }>
>;

/**
 * gRPC calls to a worker and a server: other fields, or other bytes. Law: a call ends with a status that names the caller's
 * fault, and calls that nobody changed are answered as before.
 */
export const calls: Subject = {
  async open(home) {
    const log = pino({ level: 'silent' });
    const store = path.join(await realpath(home), 'store');
    await writeRandomStore(path.join(home, 'served'), SHAPE, '2:4');
    const model = path.join(await realpath(home), 'model');
    await cp(path.join(REPOSITORY, 'test/fixtures/families/llama'), model, { recursive: true });
    await (await (await createOrOpenStore(store)).beginRun(RUN, {})).close();

    const worker = await startWorker({ listen: '127.0.0.1:0', threads: 1, roots: [model, store], log });
    const server = await startServer({
      ...{
        store: path.join(home, 'served'),
        modelName: 'tiny',
        host: '127.0.0.1',
        port: 0,
        grpc: '127.0.0.1:0',
      },
      ...{ threads: 1, kvBytes: 1 << 24, maxContext: 64, verify: 'none', drainSeconds: 1, log },
    });
    const clients = [worker.address, server.grpc!].map(
      (address) => new Client(address, credentials.createInsecure()),
    );
    const [workerClient, serverClient] = clients as [Client, Client];
    const all = [
      ...callsOf(workerClient, workerServiceDefinition, requestsOfWorker(model, store)),
      ...callsOf(serverClient, inferenceServiceDefinition, REQUESTS_OF_SERVER),
    ];
    for (const call of all) await requireOk(call);
    return {
      async try(random) {
        const call = random.pick(all);
        const { bytes, what } = mutated(call, random);
        const { code, details } = await send(call, bytes);
        const refused = code === status.INTERNAL && details.includes(NO_MESSAGE);
        if (!STATUSES.has(code) && !refused)
          throw new BrokenLaw(`ended with ${status[code]}: ${details}`, what);
        if (random.chance(0.05)) await requireOk(call);
        return { what, outcome: refused ? 'no message' : status[code] };
      },
      async close() {
        for (const client of clients) client.close();
        await Promise.all([worker.close(), server.close()]);
      },
    };
  },
};

const REQUESTS_OF_SERVER: Readonly<Record<string, object>> = {
  Generate: {
    ...{ model: 'tiny', text: 'Once upon', maxTokens: 4, temperature: 0.5, topP: 0.9, topK: 3, seed: 1 },
    ...{ stop: ['e'], logprobs: 2 },
  },
};

/** In the order in which they must come: a shard is opened before it is used. */
function requestsOfWorker(model: string, store: string): Readonly<Record<string, object>> {
  const run = { protocolVersion: PROTOCOL_VERSION, model, store, run: RUN, seqlen: SEQLEN };
  return {
    Describe: { protocolVersion: PROTOCOL_VERSION },
    OpenModel: { run },
    OpenShard: { run, shard: 0, sequences: 2, tokens: [1, 2, 3, 4, 5, 6, 7, 8] },
    StreamActivations: { run, block: 0, shard: 0, taps: ['attn_in', 'mlp_in'] },
    GatherStatistics: {
      ...{ run, block: 0, shards: [0], taps: ['attn_in'] },
      statistics: [{ name: 'amplitude', version: 1, parameters: '{}' }],
    },
  };
}

function callsOf(client: Client, methods: Methods, requests: Readonly<Record<string, object>>): Call[] {
  return Object.entries(requests).map(([name, request]) => {
    const { path: route, responseStream, requestSerialize } = methods[name]!;
    const encode = requestSerialize as (request: object) => Buffer;
    return { path: route, client, streams: responseStream, encode, request };
  });
}

async function requireOk(call: Call): Promise<void> {
  const { code, details } = await send(call, call.encode(call.request));
  if (code !== status.OK)
    throw new BrokenLaw(`${call.path} ended with ${status[code]}: ${details}`, 'nothing');
}

function mutated({ path: route, encode, request }: Call, random: Random): { bytes: Buffer; what: string } {
  if (random.chance(0.6)) {
    const [text, what] = mutateJson(JSON.stringify(request), random)!;
    try {
      return { bytes: encode(JSON.parse(text) as object), what: `${route}: ${what}` };
    } catch {
      // No message has such a field.
    }
  }
  const [bytes, what] = mutateBytes(encode(request), random);
  return { bytes: Buffer.from(bytes), what: `${route}: ${what}` };
}

/** Sends the bytes of a message and waits for the end of the call. */
function send(
  { path: route, client, streams }: Call,
  bytes: Buffer,
): Promise<{ code: status; details: string }> {
  const same = (message: Buffer) => message;
  return new Promise((resolve) => {
    const ended = (error: ServiceError | null) => {
      resolve({ code: error?.code ?? status.OK, details: error?.details ?? '' });
    };
    if (!streams) {
      client.makeUnaryRequest(route, same, same, bytes, ended);
      return;
    }
    const stream = client.makeServerStreamRequest(route, same, same, bytes);
    stream.on('data', () => undefined);
    stream.on('error', ended);
    stream.on('end', () => {
      ended(null);
    });
  });
}
