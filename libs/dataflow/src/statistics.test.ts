import { NEVER, lastValueFrom, map, of, throwError, concat, type Observable } from 'rxjs';
import { EsparseError } from '@esparse/errors';
import { marbles } from '@esparse/laws';
import type { StatisticSketch, AnyStatistic, StatisticState } from '@esparse/statistics';
import { finishStatistics, gatherStatistics, mergeShards, type Leased, type TapTile } from './index.ts';

/** Counts rows: the simplest statistic that there is. */
const rows: AnyStatistic = {
  name: 'rows',
  version: 1,
  parameters: {},
  create: (channels) => ({ channels, tokens: 0, parameters: {} }),
  update: (state, { rows: count }) => {
    (state as { tokens: number }).tokens += count;
    return Promise.resolve();
  },
  merge: (into, from) => {
    (into as { tokens: number }).tokens += from.tokens;
    return Promise.resolve();
  },
  serialise: () => new Uint8Array(),
  deserialise: () => ({ channels: 1, tokens: 0, parameters: {} }),
};

const count = { statistic: rows, read: ({ tokens }: StatisticState) => Promise.resolve(tokens) };

const finish = () => finishStatistics([...TAPS.keys()], [count], { sequences: 1, block: 0 });

const TAPS = new Map([
  ['in', 1],
  ['out', 1],
]);

function leased(tap: string, count: number, released: string[] = []): Leased<TapTile> {
  return {
    value: { block: 2, tap, rows: count, channels: 1, data: new Float32Array(count) },
    release: () => released.push(`${tap}${count}`),
  };
}

const given = (released: string[] = []) =>
  map((value: StatisticSketch): Leased<StatisticSketch> => ({
    value,
    release: () => released.push(`shard ${value.shards.join()}`),
  }));

const gather = (tiles$: Observable<Leased<TapTile>>, shard: number) =>
  tiles$.pipe(gatherStatistics({ taps: TAPS, statistics: [rows], shards: [shard] }));

test('every tile is counted at its tap and released, and the shard is emitted once at the end', async () => {
  const released: string[] = [];
  const tiles$ = of(leased('in', 1, released), leased('out', 5, released), leased('in', 2, released));
  const finished = await lastValueFrom(gather(tiles$, 0).pipe(finish()));
  expect(finished.get('in')?.get(count)).toBe(3);
  expect(finished.get('out')?.get(count)).toBe(5);
  expect(released).toEqual(['in1', 'out5', 'in2']);
});

test('a shard whose stream breaks off emits nothing', async () => {
  const broken$ = concat(
    of(leased('in', 1)),
    throwError(() => new Error('gone')),
  );
  await expect(lastValueFrom(gather(broken$, 0))).rejects.toThrow('gone');
});

test('each subscription starts from nothing', async () => {
  const gathered$ = gather(of(leased('in', 4)), 0).pipe(finish());
  await lastValueFrom(gathered$);
  expect((await lastValueFrom(gathered$)).get('in')?.get(count)).toBe(4);
});

test('the error of a statistic that refuses a tile names block and tap', async () => {
  const refusing: AnyStatistic = {
    ...rows,
    update: () =>
      Promise.reject(new EsparseError('numeric', 'NaN in channel 7', { context: { channel: 7 } })),
  };
  const gathered$ = of(leased('in', 1)).pipe(
    gatherStatistics({ taps: TAPS, statistics: [refusing], shards: [0] }),
  );
  await expect(lastValueFrom(gathered$)).rejects.toMatchObject({
    kind: 'numeric',
    message: 'statistic rows, block 2, tap in: NaN in channel 7',
    context: { block: 2, tap: 'in', channel: 7 },
  });
});

test('shards merge to the same in any order, and each is released once it is merged', async () => {
  const shard$ = (index: number) => gather(of(leased('in', 10 ** index)), index);
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
  ]) {
    const released: string[] = [];
    const merged = await lastValueFrom(concat(...order.map(shard$)).pipe(given(released), mergeShards()));
    expect(merged.shards).toEqual([0, 1, 2]);
    const finished = await lastValueFrom(of(merged).pipe(finish()));
    expect(finished.get('in')?.get(count)).toBe(111);
    expect(released).toEqual(order.map((shard) => `shard ${shard}`));
  }
});

test('a shard that comes twice is an error: it would count twice', async () => {
  const twice$ = concat(gather(of(leased('in', 1)), 3), gather(of(leased('in', 1)), 3)).pipe(
    given(),
    mergeShards(),
  );
  await expect(lastValueFrom(twice$)).rejects.toThrow(/shard 3/);
});

test('unsubscribing stops the tiles', async () => {
  await marbles(({ hot, expectObservable, expectSubscriptions }) => {
    const tiles$ = hot('a--b--c|', { a: leased('in', 1), b: leased('in', 1), c: leased('in', 1) });
    expectObservable(gather(tiles$, 0), '^---!').toBe('-----');
    expectSubscriptions(tiles$.subscriptions).toBe('^---!');
  });
});

/** A statistic whose states are watched: those that are disposed of, and whether an update is under way. */
function watched(update: AnyStatistic['update']) {
  const disposed: StatisticState[] = [];
  let busy = 0;
  const statistic: AnyStatistic = {
    ...rows,
    async update(state, tile) {
      busy++;
      await update(state, tile).finally(() => busy--);
    },
    dispose(state) {
      if (busy > 0) throw new Error('disposed of while it is counted');
      disposed.push(state);
    },
  };
  const gathered = (tiles$: Observable<Leased<TapTile>>) =>
    tiles$.pipe(gatherStatistics({ taps: TAPS, statistics: [statistic], shards: [0] }));
  return { disposed, gathered };
}

test('states of a shard whose stream fails are disposed of, and those of one that is complete are not', async () => {
  const { disposed, gathered } = watched(rows.update);
  await lastValueFrom(gathered(of(leased('in', 1))));
  expect(disposed).toEqual([]);
  const broken$ = concat(
    of(leased('in', 1)),
    throwError(() => new Error('gone')),
  );
  await expect(lastValueFrom(gathered(broken$))).rejects.toThrow('gone');
  await new Promise(setImmediate);
  expect(disposed).toHaveLength(TAPS.size);
});

test('states of a shard that is unsubscribed from are disposed of when the tile under way is counted', async () => {
  let counted: () => void = () => undefined;
  const { disposed, gathered } = watched(() => new Promise((resolve) => (counted = resolve)));
  const running = gathered(concat(of(leased('in', 1)), NEVER)).subscribe();
  running.unsubscribe();
  await new Promise(setImmediate);
  expect(disposed).toEqual([]);
  counted();
  await new Promise(setImmediate);
  expect(disposed).toHaveLength(TAPS.size);
});

test('two readers of one statistic read one state, which is disposed of when both have', async () => {
  const disposed: StatisticState[] = [];
  const statistic: AnyStatistic = { ...rows, dispose: (state) => disposed.push(state) };
  const all = { statistic, read: ({ tokens }: StatisticState) => Promise.resolve([tokens, disposed.length]) };
  const half = { statistic, read: ({ tokens }: StatisticState) => Promise.resolve(tokens / 2) };
  const finished = await lastValueFrom(
    of(leased('in', 4)).pipe(
      gatherStatistics({ taps: new Map([['in', 1]]), statistics: [statistic], shards: [0] }),
      finishStatistics(['in'], [all, half], { sequences: 1, block: 0 }),
    ),
  );
  expect(finished.get('in')).toEqual(
    new Map<unknown, unknown>([
      [all, [4, 0]],
      [half, 2],
    ]),
  );
  expect(disposed).toHaveLength(1);
});

test.each<[string, () => unknown]>([
  [
    'throws',
    () => {
      throw new Error('broken');
    },
  ],
  ['rejects', () => Promise.reject(new Error('broken'))],
])(
  'a statistic that %s when a state is disposed of is blamed, and the other states are disposed of',
  async (_, fail) => {
    const failure = (tap: string) => ({
      kind: 'usage',
      message: `statistic rows, disposing of ${tap}/rows: broken`,
      hint: expect.stringContaining('the plug-in is at fault'),
    });
    let asked = 0;
    const statistic: AnyStatistic = {
      ...rows,
      dispose: () => (asked++ % TAPS.size === 0 ? fail() : undefined),
    };
    const gathered = (shard: number, ...tiles: Observable<Leased<TapTile>>[]) =>
      concat(...tiles).pipe(gatherStatistics({ taps: TAPS, statistics: [statistic], shards: [shard] }));
    const tile$ = of(leased('in', 1));

    const gone$ = throwError(() => new Error('gone'));
    await expect(lastValueFrom(gathered(0, tile$, gone$))).rejects.toMatchObject(failure('in'));
    expect(asked).toBe(2);

    const merged$ = concat(gathered(0, tile$), gathered(1, tile$)).pipe(given(), mergeShards());
    await expect(lastValueFrom(merged$)).rejects.toMatchObject(failure('in'));
    expect(asked).toBe(4);

    const read = { ...count, statistic };
    const finished$ = gathered(0, tile$).pipe(
      finishStatistics([...TAPS.keys()], [read], { sequences: 1, block: 0 }),
    );
    await expect(lastValueFrom(finished$)).rejects.toMatchObject(failure('in'));
    expect(asked).toBe(5);
  },
);

test('a statistic that cannot dispose of a state after the last subscriber has left fails silently', async () => {
  let asked = 0;
  const statistic: AnyStatistic = {
    ...rows,
    dispose() {
      asked++;
      throw new Error('broken');
    },
  };
  const unhandled = jest.fn();
  process.on('unhandledRejection', unhandled);
  try {
    concat(of(leased('in', 1)), NEVER)
      .pipe(gatherStatistics({ taps: TAPS, statistics: [statistic], shards: [0] }))
      .subscribe()
      .unsubscribe();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  expect(asked).toBe(TAPS.size);
  expect(unhandled).not.toHaveBeenCalled();
});
