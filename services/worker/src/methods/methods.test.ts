import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MAX_SHARD_TOKENS } from '@esparse/protocol';
import { createOrOpenStore, openHidden } from '@esparse/store';
import type { BlockTarget } from '../compute-inputs.ts';
import type { ComputeThread } from '../start-compute.ts';
import { advanceDenseShard, advanceShard } from './advance-shard.ts';
import { gatherStatistics } from './gather-statistics.ts';
import { openShard } from './open-shard.ts';
import { streamActivations } from './stream-activations.ts';
import type { WorkerParts } from './parts.ts';

const RUN = '0123456789abcdef';
const SEQLEN = 2;
const WIDTH = 3;
const SEQUENCES = 2;

let home: string;
let store: string;
let counted: number[];
/** What was computed, in order. */
let computed: { method: string; target: BlockTarget }[];

/** A model whose embedding is the token, and each block of which adds 1, or 10 with pruned weights. */
const compute = {
  async call(method: string, argument: { target: BlockTarget; hidden: Float32Array; tokens: Uint32Array }) {
    await Promise.resolve();
    const { target, hidden, tokens } = argument;
    computed.push({ method, target });
    if (method === 'embed') {
      const data = Float32Array.from(
        { length: tokens.length * WIDTH },
        (_, i) => tokens[Math.floor(i / WIDTH)]!,
      );
      return { data, hidden: WIDTH };
    }
    if (method === 'taps') return [{ tap: 'in', rows: SEQLEN, channels: WIDTH, data: hidden }];
    return hidden.map((value) => value + (target.pruned === undefined ? 1 : 10));
  },
} as unknown as Pick<ComputeThread, 'call'>;

const parts: WorkerParts = {
  compute,
  openRun: () => Promise.resolve({ model: '/m', store, run: RUN, seqlen: SEQLEN }),
  metrics: { sequence: (block) => counted.push(block) },
};
const context = { signal: new AbortController().signal, sendMetadata: () => undefined };
const request = { run: null, shard: 0, sequences: SEQUENCES, tokens: [1, 2, 3, 4] };
const at = (block: number) => ({ run: null, block, shard: 0 });

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-methods-'));
  store = path.join(home, 'store');
  await (await (await createOrOpenStore(store)).beginRun(RUN, {})).close();
  counted = [];
  computed = [];
  await openShard(parts, request, context);
});
afterEach(() => rm(home, { recursive: true }));

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const message of messages) seen.push(message);
  return seen;
}

/** The first channel of each row. */
const rows = ({ data }: { data: Float32Array }) => [...data].filter((_, i) => i % WIDTH === 0);

test('the tokens of a shard are embedded into the states before the first block', async () => {
  const { hidden } = await openHidden(store, RUN);
  const states = await hidden.read(0, 0);
  expect(states.shape).toEqual([SEQUENCES, SEQLEN, WIDTH]);
  expect(rows(states)).toEqual([1, 2, 3, 4]);
});

test.each([
  ['too few', { tokens: [1, 2, 3] }],
  ['none', { tokens: [], sequences: 0 }],
  [
    'more than a message holds',
    { tokens: new Array(MAX_SHARD_TOKENS + 2).fill(0), sequences: MAX_SHARD_TOKENS / 2 + 1 },
  ],
])('%s tokens for the sequences of a shard are refused, and nothing is computed', async (_, change) => {
  computed = [];
  await expect(openShard(parts, { ...request, ...change }, context)).rejects.toMatchObject({ kind: 'usage' });
  expect(computed).toEqual([]);
});

test('a shard advances with the committed weights, sequence after sequence, and each is counted', async () => {
  await advanceShard(parts, at(0), context);
  const { hidden } = await openHidden(store, RUN);
  expect(rows(await hidden.read(1, 0))).toEqual([11, 12, 13, 14]);
  expect(counted).toEqual([0, 0]);
  expect(computed.at(-1)!.target).toEqual({
    model: '/m',
    seqlen: SEQLEN,
    block: 0,
    pruned: { store, run: RUN },
  });
});

test('the dense model begins at the states of both, and goes on with its own', async () => {
  await advanceShard(parts, at(0), context);
  await advanceDenseShard(parts, at(0), context);
  await advanceDenseShard(parts, at(1), context);
  const { hidden, hiddenDense } = await openHidden(store, RUN);
  expect(rows(await hidden.read(1, 0))).toEqual([11, 12, 13, 14]);
  expect(rows(await hiddenDense.read(2, 0))).toEqual([3, 4, 5, 6]);
  expect(await hidden.shards(2)).toEqual([]);
});

test('activations come with the dense rows beside them where they are asked for', async () => {
  await advanceShard(parts, at(0), context);
  await advanceDenseShard(parts, at(0), context);
  const firsts = async (dense: boolean) => {
    const tiles = await all(
      streamActivations(parts, { ...at(1), taps: [], dense, allTokens: false }, context),
    );
    return tiles.map(({ data }) => {
      const bytes = data as Buffer;
      return bytes.readFloatLE(0);
    });
  };
  expect(await firsts(false)).toEqual([11, 13]);
  expect(await firsts(true)).toEqual([11, 2, 13, 4]);
});

test('what the dense block gives comes as a tap would, of either model', async () => {
  await advanceShard(parts, at(0), context);
  await advanceDenseShard(parts, at(0), context);
  computed = [];
  const asked = { ...at(1), taps: ['output'], dense: true, allTokens: false };
  const tiles = await all(streamActivations(parts, asked, context));
  expect(tiles.map(({ tap, data }) => [tap, (data as Buffer).readFloatLE(0)])).toEqual([
    ['output', 12],
    ['output', 3],
    ['output', 14],
    ['output', 5],
  ]);
  expect(computed.map(({ method, target }) => [method, target.pruned])).toEqual(
    Array(4).fill(['advance', undefined]),
  );
});

test('dense states of other sequences are refused by both shapes', async () => {
  await advanceShard(parts, at(0), context);
  const { hiddenDense } = await openHidden(store, RUN);
  await hiddenDense.write(1, 0, { data: new Float32Array(6), shape: [1, SEQLEN, WIDTH] });
  await expect(
    all(streamActivations(parts, { ...at(1), taps: [], dense: true, allTokens: false }, context)),
  ).rejects.toMatchObject({ kind: 'store', message: expect.stringMatching(/\[2,2,3\].*\[1,2,3\]/) });
});

test.each<[string, object]>([
  ['shards that do not ascend', { shards: [1, 0] }],
  ['a tap that is named twice', { taps: ['in', 'in'] }],
  ['no statistic', { statistics: [] }],
])('%s are refused before anything is computed', async (_, change) => {
  computed = [];
  const one = { run: null, block: 0, shards: [0], taps: [], statistics: [], allTokens: false, shares: false };
  await expect(all(gatherStatistics(parts, { ...one, ...change }, context))).rejects.toMatchObject({
    kind: 'usage',
  });
  expect(computed).toEqual([]);
});
