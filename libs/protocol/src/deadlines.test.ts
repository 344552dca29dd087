import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import {
  connectWorker,
  identityMetadata,
  workerServiceDefinition,
  type RunTarget,
  type WorkerConnection,
} from './index.ts';

const IDENTITY = { numerics: 'n', modelDigest: 'm' };
const TARGET: RunTarget = { model: 'm', store: 's', run: 'r', seqlen: 512, ...IDENTITY };
/** Longer than a deadline that has become one of a millisecond. */
const WORK_MS = 100;
const MINUTE_MS = 60_000;

let server: Server;
let worker: WorkerConnection;
/** How many milliseconds the worker was given for each call. */
let given: number[];

/** Answers after some time, as the service sees its deadline. */
function slowly(reply: object) {
  return (call: ServerWritableStream<unknown, unknown>) => {
    given.push(Number(call.getDeadline()) - Date.now());
    call.sendMetadata(identityMetadata(IDENTITY));
    setTimeout(() => {
      call.write(reply);
      call.end();
    }, WORK_MS);
  };
}

beforeEach(async () => {
  given = [];
  const { TuneBlock, GatherStatistics } = workerServiceDefinition;
  server = new Server();
  server.addService(
    { TuneBlock, GatherStatistics },
    { TuneBlock: slowly({ report: { steps: 1 } }), GatherStatistics: slowly({ tokens: 1 }) },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  worker = connectWorker(`127.0.0.1:${port}`);
});

afterEach(() => {
  worker.close();
  server.forceShutdown();
});

async function count(messages: AsyncIterable<unknown>): Promise<number> {
  let seen = 0;
  for await (const message of messages) seen += message === undefined ? 0 : 1;
  return seen;
}

const shards = (many: number) => Array.from({ length: many }, (_, i) => i);

test.each([
  ['128 windows, 300 steps', { sequences: 128, steps: 300, shards: shards(10) }],
  ['640 windows, 1600 steps', { sequences: 640, steps: 1600, shards: shards(46) }],
  ['the most steps of the largest batches', { sequences: 65_536, steps: 1e6, batch: 4096, shards: [0] }],
])('however much a tuning is, it has weeks, and its worker is heard: %s', async (_, size) => {
  const request = { block: 0, batch: 16, learningRate: 3e-4, dense: 0.5, heldOut: 0.1, seed: 0, ...size };
  expect(await count(worker.tuneBlock(TARGET, request))).toBe(1);
  expect(given[0]).toBeGreaterThan(7 * 24 * 60 * MINUTE_MS);
});

test.each([1, 1192, 1193, 1194, 65_536])(
  'statistics of %i shards have half an hour each, or weeks',
  async (many) => {
    const request = { block: 0, shards: shards(many), taps: [], statistics: [] };
    expect(await count(worker.gatherStatistics(TARGET, request))).toBe(1);
    expect(given[0]).toBeGreaterThan(Math.min(29 * MINUTE_MS * many, 7 * 24 * 60 * MINUTE_MS));
  },
);
