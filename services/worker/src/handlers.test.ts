import { Server, ServerCredentials } from '@grpc/grpc-js';
import {
  connectWorker,
  identityMetadata,
  tileMessages,
  workerServiceDefinition,
  type WorkerHandlers,
} from '@esparse/protocol';
import { EsparseError } from '@esparse/errors';
import { pino } from 'pino';
import { serverStream, unary } from './handlers.ts';

const TARGET = { model: '/m', store: '/s', run: '0'.repeat(32), seqlen: 512 };
const SEQUENCES = 400;
const EXPECTED = { block: 0, shard: 0, seqlen: 512, sequences: SEQUENCES, taps: new Map([['tap', 1024]]) };
const DATA = new Float32Array(512 * 1024);

/** A worker that streams `SEQUENCES` tiles of 2 MiB and counts what it has made. */
async function serve({
  protocolVersion = 1,
  unreadMs,
}: { protocolVersion?: number; unreadMs?: number } = {}) {
  const state = { made: 0, ended: false };
  const stopping = new AbortController();
  const options = { log: pino({ level: 'silent' }), stopping: stopping.signal, unreadMs };
  const refuse = unary(options, 'none', () => Promise.reject(new Error('not here')));
  const handlers = {
    Describe: unary(options, 'Describe', () => Promise.resolve({ protocolVersion })),
    OpenModel: refuse,
    OpenShard: refuse,
    AdvanceShard: refuse,
    GatherStatistics: refuse,
    StreamActivations: serverStream(options, 'StreamActivations', async function* (_, { sendMetadata }) {
      sendMetadata(identityMetadata({ numerics: 'n', modelDigest: 'm' }));
      try {
        for (let sequence = 0; sequence < SEQUENCES; sequence++) {
          const tile = {
            block: 0,
            tap: 'tap',
            shard: 0,
            sequence,
            firstRow: 0,
            rows: 512,
            channels: 1024,
            data: DATA,
          };
          for (const message of tileMessages(tile, state.made)) {
            state.made++;
            yield message;
            await Promise.resolve();
          }
        }
      } finally {
        state.ended = true;
      }
    }),
  } as unknown as WorkerHandlers;
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  server.addService(workerServiceDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const worker = connectWorker(`127.0.0.1:${port}`);
  return {
    state,
    worker,
    stopping,
    close() {
      worker.close();
      server.forceShutdown();
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Waits until the generator has ended, however busy the machine is. */
async function endOf(state: { readonly ended: boolean }): Promise<void> {
  while (!state.ended) await pause(20);
}

test('a reader that stops holds back the worker: it makes only what the bounded window takes', async () => {
  const { state, worker, close } = await serve();
  const tiles = worker.streamActivations(TARGET, EXPECTED)[Symbol.asyncIterator]();
  await tiles.next();
  // Long enough for it to stand still, however busy the machine is.
  let made = 0;
  for (let still = 0; still < 10; still = state.made === made ? still + 1 : 0) {
    ({ made } = state);
    await pause(100);
  }
  // 16 messages wait with the reader, one HTTP/2 window (8 MiB) and the writer's two are under way.
  expect(made).toBeLessThanOrEqual(1 + 16 + 4 + 2 + 2);
  await tiles.return?.();
  close();
});

test('a reader that reads nothing loses its place after a time, and is told when it reads again', async () => {
  const { state, worker, close } = await serve({ unreadMs: 200 });
  const tiles = worker.streamActivations(TARGET, EXPECTED)[Symbol.asyncIterator]();
  await tiles.next();
  await endOf(state);
  const rest = async () => {
    while ((await tiles.next()).done !== true);
  };
  // The stream was reset: the pruner tries again.
  await expect(rest()).rejects.toMatchObject({ kind: 'cancelled' });
  close();
});

test('a reader that leaves ends the generator', async () => {
  const { state, worker, close } = await serve();
  for await (const tile of worker.streamActivations(TARGET, EXPECTED)) if (tile.sequence === 3) break;
  await endOf(state);
  close();
});

test('a worker of another protocol version is refused, naming both', async () => {
  const { worker, close } = await serve({ protocolVersion: 2 });
  await expect(worker.describe()).rejects.toMatchObject({
    kind: 'protocol',
    message: expect.stringMatching(/version 2.*speaks 1/),
  });
  close();
});

test('a worker that stops hands a running call back as unavailable', async () => {
  const { state, stopping, worker, close } = await serve();
  const reading = (async () => {
    for await (const tile of worker.streamActivations(TARGET, EXPECTED)) {
      expect(tile.block).toBe(0);
      stopping.abort(new EsparseError('unavailable', 'the worker is stopping'));
    }
  })();
  await expect(reading).rejects.toMatchObject({ kind: 'unavailable', message: 'the worker is stopping' });
  await endOf(state);
  close();
});

test.each([
  ['numerics', { numerics: 'x' }, 'usage', /begun with x.* is n/],
  ['model', { modelDigest: 'y' }, 'checkpoint', /digest is m, that of the run is y/],
] as const)('a reply of another %s is refused, naming both', async (_, change, kind, message) => {
  const { state, worker, close } = await serve();
  const tiles = worker.streamActivations({ ...TARGET, ...change }, EXPECTED)[Symbol.asyncIterator]();
  await expect(tiles.next()).rejects.toMatchObject({ kind, message: expect.stringMatching(message) });
  await endOf(state);
  close();
});
