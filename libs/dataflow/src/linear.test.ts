import { lastValueFrom, of, tap, toArray, from } from 'rxjs';
import { keptScore } from '@esparse/kernels';
import { marbles } from '@esparse/laws';
import {
  both,
  eSparse,
  identityOrder,
  unpackLinear,
  type Metric,
  type PackedLinear,
  type Shuffle,
  type StageDevice,
} from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';
import {
  createTurns,
  oneByOne,
  pruneLinear,
  severalAtOnce,
  type LinearJob,
  type LoadedLinear,
} from './index.ts';
import { load } from './load.ts';
import { score } from './score.ts';
import { shuffle } from './shuffle.ts';

const PATTERN = { keep: 2, group: 4 };
const ROWS = 16;
const COLS = 8;

const metric = eSparse({ alpha: 1 });
const job = (name: string): LinearJob => ({
  block: 0,
  name,
  tap: 'in',
  rows: ROWS,
  cols: COLS,
  pattern: PATTERN,
  readings: new Map<StatisticReader, Float32Array>([
    [metric.statistics.amplitude, Float32Array.from({ length: COLS }, (_, c) => c + 1)],
    [metric.statistics.entropy, new Float32Array(COLS).fill(3)],
  ]),
});

/** bf16 bits of small distinct numbers. */
const weights = Uint16Array.from({ length: ROWS * COLS }, (_, i) => 0x3f80 + ((i * 29) % 97));
const read = () => Promise.resolve({ dtype: 'bf16' as const, weights });

const report = { note: () => undefined, progress: () => undefined };
const chain = pruneLinear({ load: read, metric, shuffle: both(), stages: [], report });

test('a linear goes through the whole chain: half of its weights stay, as they were', async () => {
  const { packed, keptBefore, keptAfter } = await lastValueFrom(of(job('q')).pipe(chain));
  const dense = await unpackLinear(packed as PackedLinear);
  const kept = dense.filter((bits) => bits !== 0);
  expect(kept).toHaveLength((ROWS * COLS) / 2);
  dense.forEach((bits, i) => {
    expect([0, weights[i]]).toContain(bits);
  });
  expect(keptAfter).toBeGreaterThanOrEqual(keptBefore);
});

test('what is kept is the kept score that the shuffle promised', async () => {
  const loaded: LoadedLinear = { ...job('q'), dtype: 'bf16', weights };
  const scored = await lastValueFrom(of(loaded).pipe(score(metric)));
  const { order } = await lastValueFrom(of(scored).pipe(shuffle(both())));
  expect(await keptScore(scored.scores, ROWS, COLS, order.permutation, 2, 4)).toBe(order.keptAfter);
});

test('linears come out in the order in which they went in, without their weights', async () => {
  const all = await lastValueFrom(from(['q', 'k', 'v'].map(job)).pipe(oneByOne(chain), toArray()));
  expect(all.map(({ job: { name } }) => name)).toEqual(['q', 'k', 'v']);
  expect(Object.keys(all[0]!).sort()).toEqual(['job', 'keptAfter', 'keptBefore', 'packed']);
});

/** Lets everybody pass when so many have arrived. */
function gate(expected: number) {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  const arrive = () => {
    if (--expected === 0) open();
  };
  return { passed, arrive };
}

test('linears that wait for a device get it in the order in which they began, whichever was read first', async () => {
  const device = { id: 'a' } as StageDevice;
  const chosen: string[] = [];
  const small = gate(2);
  const large = gate(1);
  const several = pruneLinear({
    ...{ metric, stages: [] },
    // The first has the device until all others have been read, of which the second is the last.
    shuffle: {
      name: 'late',
      order: (linear, pattern) => large.passed.then(() => both().order(linear, pattern)),
    },
    load: async ({ name }) => {
      if (name === 'up') {
        await small.passed;
        large.arrive();
      } else if (name !== 'down') {
        small.arrive();
      }
      return read();
    },
    devices: createTurns([device]),
    report,
  });
  const jobs = ['down', 'up', 'q', 'k'].map(job);
  const pruned$ = severalAtOnce(jobs, { atOnce: jobs.length, inOrder: false }, several);
  await lastValueFrom(pruned$.pipe(tap(({ job: { name } }) => chosen.push(name))));
  expect(chosen).toEqual(['down', 'up', 'q', 'k']);
});

const loaded: LoadedLinear = { ...job('q'), dtype: 'bf16', weights };

test('load, score and shuffle take one linear at a time', async () => {
  await marbles(({ cold, hot, promise, expectObservable }) => {
    const scores = new Float32Array(ROWS * COLS);
    const metric: Metric = {
      name: 'slow',
      statistics: {},
      score: () => promise('---s', { s: scores }),
    };
    const scored = { ...loaded, scores };
    expectObservable(hot('aa|', { a: loaded }).pipe(score(metric))).toBe('---s--(s|)', { s: scored });

    const order = { permutation: identityOrder(COLS), keptBefore: 1, keptAfter: 2 };
    const strategy: Shuffle = { name: 'slow', order: () => promise('--o', { o: order }) };
    expectObservable(hot('aa|', { a: scored }).pipe(shuffle(strategy))).toBe('--o-(o|)', {
      o: { ...scored, order },
    });

    const bits = { dtype: 'bf16' as const, weights };
    expectObservable(hot('jj|', { j: job('q') }).pipe(load(() => cold('-(w|)', { w: bits })))).toBe(
      '-w(w|)',
      {
        w: loaded,
      },
    );
  });
});

test('an error in a stage ends the stream, and the linears before it have come through', async () => {
  await marbles(({ hot, promise, expectObservable, expectSubscriptions }) => {
    let calls = 0;
    const scores = new Float32Array(ROWS * COLS);
    const metric: Metric = {
      name: 'breaks',
      statistics: {},
      score: () => (calls++ === 0 ? promise('-s', { s: scores }) : promise<Float32Array>('-#', {}, 'broken')),
    };
    const linears$ = hot('a---a---a|', { a: loaded });
    expectObservable(linears$.pipe(score(metric))).toBe(
      '-s---#',
      { s: { ...loaded, scores } },
      expect.objectContaining({ kind: 'usage', message: 'metric breaks, block 0, q: broken' }),
    );
    expectSubscriptions(linears$.subscriptions).toBe('^----!');
  });
});

test('unsubscribing begins no more work, and what comes of that under way is dropped', async () => {
  const begun = await marbles(({ hot, promise, expectObservable }) => {
    const linears: unknown[] = [];
    const metric: Metric = {
      name: 'slow',
      statistics: {},
      score: (linear) => {
        linears.push(linear);
        return promise('-----s', { s: new Float32Array(ROWS * COLS) });
      },
    };
    expectObservable(hot('aaa|', { a: loaded }).pipe(score(metric)), '^--!').toBe('----');
    return linears;
  });
  expect(begun).toEqual([{ ...loaded, statistics: {} }]);
});

test('a shuffle gets the signal that ends the run', async () => {
  const { signal } = new AbortController();
  const signals: unknown[] = [];
  const order = { permutation: identityOrder(COLS), keptBefore: 1, keptAfter: 2 };
  const strategy: Shuffle = {
    name: 'listens',
    order: (_matrix, _pattern, given) => {
      signals.push(given);
      return Promise.resolve(order);
    },
  };
  const scored = { ...loaded, scores: new Float32Array(ROWS * COLS) };
  await lastValueFrom(of(scored).pipe(shuffle(strategy, { signal })));
  expect(signals).toEqual([signal]);
});
