import { connectWorker, type Tile } from '@esparse/protocol';
import { amplitude, mergeSerialised, parametersText, STATISTICS } from '@esparse/statistics';
import { startFakeWorker, type FakeWorker } from './index.ts';

const TAPS = { in: 8, out: 4 };
const SEQLEN = 16;
const target = { model: 'm', store: 's', run: '0'.repeat(32), seqlen: SEQLEN, modelDigest: 'any' };
const expected = (taps: Partial<typeof TAPS> = TAPS) => {
  return { block: 1, shard: 3, seqlen: SEQLEN, sequences: 2, taps: new Map(Object.entries(taps)) };
};

let fake: FakeWorker;
beforeEach(async () => {
  fake = await startFakeWorker({ taps: TAPS });
});
afterEach(() => fake.close());

async function connected<T>(use: (worker: ReturnType<typeof connectWorker>) => Promise<T>): Promise<T> {
  const worker = connectWorker(fake.address);
  try {
    await worker.openShard(target, { shard: 3, sequences: 2, tokens: new Uint32Array(2 * SEQLEN) });
    return await use(worker);
  } finally {
    worker.close();
  }
}

async function collect(tiles: AsyncIterable<Tile>): Promise<Tile[]> {
  const all: Tile[] = [];
  for await (const tile of tiles) all.push(tile);
  return all;
}

test('a pruner sees a worker of its own model that computes, and every call is recorded', async () => {
  await connected(async (worker) => {
    expect(await worker.describe()).toMatchObject({ threads: 1 });
    expect(await worker.openModel(target)).toMatchObject({ modelDigest: 'any', numerics: 'fake' });
    await worker.advanceShard(target, 0, 3);
    await collect(worker.streamActivations(target, expected()));
  });
  expect(fake.calls).toEqual(['OpenShard', 'Describe', 'OpenModel', 'AdvanceShard', 'StreamActivations']);
});

test('the same activations come again and from another worker, and other seeds have others', async () => {
  const stream = () => connected((worker) => collect(worker.streamActivations(target, expected())));
  const first = await stream();
  expect(first.map(({ tap, sequence, rows, channels }) => [tap, sequence, rows, channels])).toEqual([
    ['in', 0, 16, 8],
    ['out', 0, 16, 4],
    ['in', 1, 16, 8],
    ['out', 1, 16, 4],
  ]);
  expect(await stream()).toEqual(first);
  await fake.close();
  fake = await startFakeWorker({ taps: TAPS });
  expect(await stream()).toEqual(first);
  await fake.close();
  fake = await startFakeWorker({ taps: TAPS, seed: 1 });
  expect(await stream()).not.toEqual(first);
});

test('statistics folded by the worker are those of the activations that it streams', async () => {
  await connected(async (worker) => {
    const state = amplitude.create(4, {});
    for (const tile of await collect(worker.streamActivations(target, expected({ out: 4 })))) {
      await amplitude.update(state, tile);
    }
    const request = {
      block: 1,
      shards: [3],
      taps: ['out'],
      statistics: [{ name: 'amplitude', version: amplitude.version, parameters: parametersText({}) }],
    };
    const pieces: Buffer[] = [];
    for await (const { data } of worker.gatherStatistics(target, request)) pieces.push(data);
    const sketch = await mergeSerialised(undefined, Buffer.concat(pieces), {
      statistics: STATISTICS,
      channels: new Map([['out/amplitude', 4]]),
      shards: [3],
      tokens: 2 * SEQLEN,
    });
    const gathered = sketch.states.get('out/amplitude')!;
    expect(gathered.statistic.serialise(gathered.state)).toEqual(amplitude.serialise(state));
  });
});

test('a shard that was not opened, and a tap that there is not, are errors of the call', async () => {
  await connected(async (worker) => {
    const stream = (change: object) =>
      collect(worker.streamActivations(target, { ...expected(), ...change }));
    await expect(stream({ shard: 4 })).rejects.toMatchObject({ message: expect.stringContaining('shard 4') });
    await expect(stream({ taps: new Map([['none', 4]]) })).rejects.toMatchObject({ kind: 'usage' });
  });
});

test('a reader that leaves ends the stream, and the worker goes on', async () => {
  await connected(async (worker) => {
    for await (const tile of worker.streamActivations(target, expected())) {
      expect(tile.sequence).toBe(0);
      break;
    }
    await expect(worker.describe()).resolves.toMatchObject({ threads: 1 });
  });
});
