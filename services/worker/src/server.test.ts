import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { checkpointWeights, openCheckpoint, type WeightSource } from '@esparse/checkpoint';
import { describeModel, type ModelDescription } from '@esparse/model';
import { createBlockRunner, embedTokens, type BlockRunner } from '@esparse/onnx';
import { createGatherer, stateName } from '@esparse/dataflow';
import {
  connectWorker,
  MAX_SHARDS,
  MAX_TILE_BYTES,
  type GatherRequest,
  type RunTarget,
  type Tile,
  type WorkerConnection,
} from '@esparse/protocol';
import {
  mergeSerialised,
  parametersText,
  serialiseSketch,
  STATISTICS,
  type StatisticSketch,
} from '@esparse/statistics';
import { createOrOpenStore, openHidden } from '@esparse/store';
import { loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { pino } from 'pino';
import { startWorker, type RunningWorker } from './index.ts';

const MODEL = path.join(import.meta.dirname, '../../../examples/models/llama-2m');
const RUN = '0123456789abcdef';
const SEQLEN = 16;
const SEQUENCES = 3;
const TOKENS = Uint32Array.from({ length: SEQUENCES * SEQLEN }, (_, i) => (i * 37) % 2048);

let home: string;
let running: RunningWorker;
let worker: WorkerConnection;
let target: RunTarget;

beforeAll(async () => {
  home = await realpath(await mkdtemp(path.join(tmpdir(), 'esparse-worker-')));
  const storePath = path.join(home, 'store');
  const writer = await (await createOrOpenStore(storePath)).beginRun(RUN, {});
  await writer.close();
  running = await startWorker({
    listen: '127.0.0.1:0',
    threads: 1,
    roots: [await realpath(MODEL), home],
    log: pino({ level: 'silent' }),
  });
  worker = connectWorker(running.address);
  target = { model: await realpath(MODEL), store: storePath, run: RUN, seqlen: SEQLEN };
  await worker.openShard(target, { shard: 0, sequences: SEQUENCES, tokens: TOKENS });
});

afterAll(async () => {
  worker.close();
  await running.close();
  await rm(home, { recursive: true, force: true });
});

const TAPS = new Map([
  ['attn_in', 192],
  ['attn_out', 192],
  ['mlp_in', 192],
  ['mlp_out', 512],
]);
const expected = (block: number, shard = 0) => ({
  block,
  shard,
  seqlen: SEQLEN,
  sequences: SEQUENCES,
  taps: TAPS,
});

async function collect(tiles: AsyncIterable<Tile>): Promise<Tile[]> {
  const all: Tile[] = [];
  for await (const tile of tiles) all.push(tile);
  return all;
}

/** The model in this process. */
async function withRunner(
  use: (runner: BlockRunner, weights: WeightSource, description: ModelDescription) => Promise<void>,
): Promise<void> {
  const checkpoint = await openCheckpoint(MODEL);
  const description = describeModel(checkpoint.config);
  const runner = await createBlockRunner(description, { seqlen: SEQLEN, threads: 1 });
  await use(runner, checkpointWeights(checkpoint), description);
  await runner.release();
  await checkpoint.close();
}

test('the worker describes itself', async () => {
  await expect(worker.describe()).resolves.toMatchObject({ protocolVersion: 1, threads: 1 });
});

test('the model is opened and checked', async () => {
  const opened = await worker.openModel(target);
  expect(opened).toMatchObject({ family: 'llama', blocks: 4 });
  expect(opened.numerics).toContain('onnxruntime');
});

test('the activations of a block are those of the block runner, to the last bit', async () => {
  const tiles = await collect(worker.streamActivations(target, expected(0)));
  await withRunner(async (runner, weights, description) => {
    const block = await runner.load(0, weights);
    for (let sequence = 0; sequence < SEQUENCES; sequence++) {
      const tokens = TOKENS.subarray(sequence * SEQLEN, (sequence + 1) * SEQLEN);
      for (const { tap, data } of await block.taps(await embedTokens(description, weights, tokens, SEQLEN))) {
        const tile = tiles.find((candidate) => candidate.tap === tap && candidate.sequence === sequence);
        expect(tile?.data).toEqual(data);
      }
    }
  });
  expect(tiles).toHaveLength(SEQUENCES * TAPS.size);
});

test('a worker that opened another model meanwhile goes on with the first', async () => {
  const before = await collect(worker.streamActivations(target, expected(0)));
  await worker.openModel({ ...target, seqlen: SEQLEN * 2 });
  expect(await collect(worker.streamActivations(target, expected(0)))).toEqual(before);
});

test('hidden states of another sequence length are the store’s fault', async () => {
  const shard = 6;
  const { hidden } = await openHidden(target.store, RUN);
  await hidden.write(0, shard, { data: new Float32Array(2 * 192), shape: [1, 2, 192] });
  await expect(worker.advanceShard(target, 0, shard)).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringContaining('not 1 x 16 x 192'),
  });
});

test('the dense model’s rows follow the others, from hidden states of their own', async () => {
  const shard = 5;
  await worker.openShard(target, { shard, sequences: SEQUENCES, tokens: TOKENS });
  const both = (block: number) =>
    collect(worker.streamActivations(target, { ...expected(block, shard), dense: true }));
  for (const { data, dense } of await both(0)) expect(dense).toEqual(data);

  // As a run would have them, whose first block was pruned to something else.
  const { hidden } = await openHidden(target.store, RUN);
  const size = SEQUENCES * SEQLEN * 192;
  const pruned = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  await hidden.write(1, shard, { data: pruned, shape: [SEQUENCES, SEQLEN, 192] });
  await expect(both(1)).rejects.toThrow("the dense model's hidden states of block 1, shard 5 is missing");
  await worker.advanceDenseShard(target, 0, shard);

  const tiles = await both(1);
  const alone = await collect(worker.streamActivations(target, expected(1, shard)));
  expect(tiles.map((tile) => ({ ...tile, dense: undefined }))).toEqual(
    alone.map((tile) => ({ ...tile, dense: undefined })),
  );
  await withRunner(async (runner, weights, description) => {
    const tokens = TOKENS.subarray(0, SEQLEN);
    const first = await runner.load(0, weights);
    const states = await first.advance(await embedTokens(description, weights, tokens, SEQLEN));
    const second = await runner.load(1, weights);
    for (const { tap, data } of await second.taps(states)) {
      const tile = tiles.find((candidate) => candidate.tap === tap && candidate.sequence === 0);
      expect(tile?.dense).toEqual(data);
    }
  });

  await hidden.write(1, shard, { data: pruned.slice(size / SEQUENCES), shape: [SEQUENCES - 1, SEQLEN, 192] });
  await expect(both(1)).rejects.toMatchObject({ kind: 'store' });
});

test('only the taps that were asked for are streamed, and an unknown one is refused', async () => {
  const one = { ...expected(0), taps: new Map([['mlp_in', 192]]) };
  const tiles = await collect(worker.streamActivations(target, one));
  expect(new Set(tiles.map(({ tap }) => tap))).toEqual(new Set(['mlp_in']));
  const none = { ...expected(0), taps: new Map([['elsewhere', 192]]) };
  await expect(collect(worker.streamActivations(target, none))).rejects.toMatchObject({ kind: 'usage' });
});

test('a client that leaves early ends its call, and the worker goes on to serve', async () => {
  for await (const tile of worker.streamActivations(target, expected(0))) {
    expect(tile.sequence).toBe(0);
    break;
  }
  await expect(worker.describe()).resolves.toBeDefined();
});

test('a signal that aborts ends the stream with a cancelled error', async () => {
  const controller = new AbortController();
  const reading = (async () => {
    for await (const tile of worker.streamActivations(target, expected(0), controller.signal)) {
      expect(tile.block).toBe(0);
      controller.abort();
    }
  })();
  await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
});

test.each<[string, (at: RunTarget) => { [K in keyof RunTarget]?: RunTarget[K] }, string]>([
  ['a model outside the roots', () => ({ model: '/etc' }), 'denied'],
  ['a store outside the roots', () => ({ store: '/' }), 'denied'],
  ['a path that climbs out', ({ store }) => ({ store: `${store}/../../..` }), 'denied'],
  ['a folder that is not a model', ({ store }) => ({ model: store }), 'checkpoint'],
  ['a run that is not a fingerprint', () => ({ run: '../../etc' }), 'usage'],
  ['a run that does not exist', () => ({ run: 'f'.repeat(32) }), 'store'],
  ['a sequence length of nothing', () => ({ seqlen: 0 }), 'usage'],
])('%s is refused', async (_, change, kind) => {
  const bad = { ...target, ...change(target) };
  await expect(collect(worker.streamActivations(bad, expected(0)))).rejects.toMatchObject({ kind });
});

test('a symbolic link out of the roots is refused', async () => {
  const link = path.join(home, 'link');
  await symlink('/etc', link);
  await expect(worker.openModel({ ...target, model: link })).rejects.toMatchObject({ kind: 'denied' });
});

test('a block or a shard that does not exist is refused', async () => {
  await expect(collect(worker.streamActivations(target, expected(4)))).rejects.toMatchObject({
    kind: 'store',
  });
  await expect(collect(worker.streamActivations(target, expected(0, 9)))).rejects.toMatchObject({
    kind: 'store',
  });
});

test('a block that is not committed cannot be advanced through', async () => {
  await expect(worker.advanceShard(target, 0, 0)).rejects.toMatchObject({ kind: 'store' });
});

test('tokens that do not fit the shard or the vocabulary are refused', async () => {
  const open = (tokens: Uint32Array, sequences: number) =>
    worker.openShard(target, { shard: 1, sequences, tokens });
  await expect(open(TOKENS.subarray(1), SEQUENCES)).rejects.toMatchObject({ kind: 'usage' });
  await expect(open(new Uint32Array(0), 0)).rejects.toMatchObject({ kind: 'usage' });
  await expect(open(new Uint32Array(SEQLEN).fill(2048), 1)).rejects.toThrow(/2048/);
});

/** The worker's sketch over shards, merged into what came before. */
async function gathered(shards: number[], into?: StatisticSketch): Promise<StatisticSketch> {
  const pieces: Buffer[] = [];
  for await (const { data } of worker.gatherStatistics(target, { ...REQUEST, shards })) {
    expect(data.length).toBeLessThanOrEqual(MAX_TILE_BYTES);
    pieces.push(data);
  }
  return mergeSerialised(into, Buffer.concat(pieces), {
    statistics: STATISTICS,
    channels: new Map(
      [...TAPS].flatMap(([tap, channels]) =>
        [...STATISTICS.keys()].map((name) => [stateName(tap, name), channels] as const),
      ),
    ),
    shards,
    tokens: shards.length * SEQUENCES * SEQLEN,
  });
}

const REQUEST: GatherRequest = {
  block: 0,
  shards: [0],
  taps: [],
  statistics: [...STATISTICS.values()].map(({ name, version, parameters }) => ({
    name,
    version,
    parameters: parametersText(parameters),
  })),
};

const bytesOf = async (sketch: StatisticSketch) => {
  const pieces: Uint8Array[] = [];
  for await (const piece of serialiseSketch(sketch)) pieces.push(piece);
  return Buffer.concat(pieces);
};

test('statistics that the worker gathers are those of its activations, however shards are batched', async () => {
  await worker.openShard(target, { shard: 7, sequences: SEQUENCES, tokens: TOKENS.toReversed() });
  const gatherer = createGatherer({ taps: TAPS, statistics: [...STATISTICS.values()], shards: [0, 7] });
  for (const shard of [0, 7])
    for (const tile of await collect(worker.streamActivations(target, expected(0, shard))))
      await gatherer.add(tile);
  const streamed = await bytesOf(gatherer.sketch());
  expect(await bytesOf(await gathered([0, 7]))).toEqual(streamed);
  expect(await bytesOf(await gathered([0], await gathered([7])))).toEqual(streamed);
});

test.each<[string, { [K in keyof GatherRequest]?: GatherRequest[K] }, string]>([
  ['no shard', { shards: [] }, 'usage'],
  ['shards out of order', { shards: [1, 0] }, 'usage'],
  ['a shard twice', { shards: [0, 0] }, 'usage'],
  ['too many shards', { shards: Array.from({ length: MAX_SHARDS + 1 }, (_, i) => i) }, 'usage'],
  ['a shard that does not exist', { shards: [0, 99] }, 'store'],
  ['a tap that does not exist', { taps: ['elsewhere'] }, 'usage'],
  ['too many taps', { taps: Array.from({ length: 300 }, (_, i) => `tap${i}`) }, 'usage'],
  ['no statistic', { statistics: [] }, 'usage'],
  ['an unknown statistic', { statistics: [{ name: '__proto__', version: 1, parameters: '{}' }] }, 'protocol'],
  ['another version of one', { statistics: [{ ...REQUEST.statistics[0]!, version: 9 }] }, 'protocol'],
  [
    'other parameters of one',
    { statistics: [{ ...REQUEST.statistics[0]!, parameters: '{"a":1}' }] },
    'protocol',
  ],
])('gathering %s is refused', async (_, change, kind) => {
  const replies = worker.gatherStatistics(target, { ...REQUEST, ...change })[Symbol.asyncIterator]();
  await expect(
    (async () => {
      while ((await replies.next()).done !== true);
    })(),
  ).rejects.toMatchObject({ kind });
});

test('a run that was begun with other numerics is refused before anything is written', async () => {
  const alien = { ...target, numerics: 'another' };
  const opened = worker.openShard(alien, { shard: 8, sequences: SEQUENCES, tokens: TOKENS });
  await expect(opened).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/another.*onnxruntime/),
  });
  await expect(collect(worker.streamActivations(target, expected(0, 8)))).rejects.toMatchObject({
    kind: 'store',
  });
});

test('more calls that compute than a worker takes are refused as busy', async () => {
  const streams = [0, 1, 2].map(() => worker.streamActivations(target, expected(0))[Symbol.asyncIterator]());
  const first = streams.map((stream) =>
    stream.next().then(
      () => 'served',
      (error: unknown) => (error as { kind: string }).kind,
    ),
  );
  expect(
    await Promise.race(
      first.map(async (kind) => ((await kind) === 'busy' ? 'busy' : new Promise(() => undefined))),
    ),
  ).toBe('busy');
  for (const stream of streams) void stream.return?.(undefined);
});

test('the standard health service answers SERVING', async () => {
  const health = loadPackageDefinition(loadSync(protoPath)) as unknown as {
    grpc: { health: { v1: { Health: new (...args: unknown[]) => HealthClient } } };
  };
  const client = new health.grpc.health.v1.Health(running.address, credentials.createInsecure());
  const reply = await new Promise((resolve, reject) => {
    client.check({ service: 'esparse.v1.Worker' }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
  expect(reply).toEqual({ status: 1 });
  client.close();
});

interface HealthClient {
  check(request: object, done: (error: Error | null, reply: unknown) => void): void;
  close(): void;
}

test('an address that is taken is an error that says so', async () => {
  const options = { listen: running.address, roots: [home], log: pino({ level: 'silent' }) };
  await expect(startWorker(options)).rejects.toMatchObject({ kind: 'usage' });
});

test('a worker that is not there is unavailable', async () => {
  const missing = connectWorker('127.0.0.1:1');
  await expect(missing.describe()).rejects.toMatchObject({ kind: 'unavailable' });
  missing.close();
});
