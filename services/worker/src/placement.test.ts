import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import {
  connectWorker,
  identityMetadata,
  workerServiceDefinition,
  type WorkerConnection,
} from '@esparse/protocol';

const TARGET = { model: '/m', store: '/s', run: '0'.repeat(32), seqlen: 8 };

/** A worker that holds every AdvanceShard until the test lets it answer. */
async function holdingWorker() {
  const held: (() => void)[] = [];
  const server = new Server();
  const refuse = () => undefined;
  server.addService(workerServiceDefinition, {
    Describe: refuse,
    OpenModel: refuse,
    OpenShard: refuse,
    StreamActivations: refuse,
    GatherStatistics: refuse,
    AdvanceShard: (
      call: { sendMetadata(metadata: ReturnType<typeof identityMetadata>): void },
      done: sendUnaryData<object>,
    ) => {
      call.sendMetadata(identityMetadata({ numerics: 'n', modelDigest: 'm' }));
      held.push(() => {
        done(null, {});
      });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return { server, held, address: `127.0.0.1:${port}` };
}

type Holding = Awaited<ReturnType<typeof holdingWorker>>;

/** Waits until the connection has so many workers: each change is reported. */
function ready(connection: WorkerConnection, workers: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (connection.ready === workers) resolve();
    };
    connection.watch(look);
    look();
  });
}

let workers: Holding[];
let connection: WorkerConnection;
beforeEach(async () => {
  workers = await Promise.all([holdingWorker(), holdingWorker(), holdingWorker()]);
  connection = connectWorker(`ipv4:${workers.map(({ address }) => address).join(',')}`);
  await ready(connection, 3);
});
afterEach(() => {
  connection.close();
  for (const { server } of workers) server.forceShutdown();
});

const call = () => connection.advanceShard(TARGET, 0, 0);
const load = () => workers.map(({ held }) => held.length);
/** Waits until this many calls are held, by any of the workers. */
const heldIs = async (count: number) => {
  while (load().reduce((sum, calls) => sum + calls, 0) !== count) await new Promise(setImmediate);
};

test('a call goes to the worker with the fewest under way, not round robin', async () => {
  let ended = 0;
  const counted = () => call().then(() => ended++);
  const calls = [counted(), counted(), counted()];
  await heldIs(3);
  expect(load()).toEqual([1, 1, 1]);
  // A worker that becomes free gets the next call, each time.
  for (let i = 1; i <= 4; i++) {
    workers[1]!.held.pop()!();
    while (ended < i) await new Promise(setImmediate);
    calls.push(counted());
    await heldIs(3);
    expect(load()).toEqual([1, 1, 1]);
  }
  for (const { held } of workers) for (const answer of held) answer();
  await Promise.all(calls);
});

test('a worker that is lost is not counted, and its calls fail as unavailable', async () => {
  const calls = [call(), call(), call()].map((made) =>
    made.then(
      () => 'done',
      (error: unknown) => error,
    ),
  );
  await heldIs(3);
  workers[0]!.server.forceShutdown();
  await ready(connection, 2);
  for (const { held } of workers.slice(1)) for (const answer of held) answer();
  const outcomes = await Promise.all(calls);
  expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(2);
  expect(outcomes.find((outcome) => outcome !== 'done')).toMatchObject({
    kind: expect.stringMatching(/unavailable|internal|cancelled/),
  });
});

test('the bytes of messages are counted on both ways', async () => {
  const before = connection.wireBytes;
  const made = call();
  await heldIs(1);
  const sent = connection.wireBytes - before;
  expect(sent).toBeGreaterThan(TARGET.run.length);
  for (const { held } of workers) for (const answer of held) answer();
  await made;
});
