import { concatMap, from, lastValueFrom, toArray } from 'rxjs';
import type { Tile } from '@esparse/protocol';
import { oneByOne, type LinearJob } from '@esparse/dataflow';
import { measuredLoad } from './measured-load.ts';
import { measuredTiles } from './measured-tiles.ts';
import { createOperatorMeter } from './meter.ts';

/** A clock that only the test moves. */
function metered(operator: string) {
  const clock = { ms: 0 };
  const meter = createOperatorMeter(new Map([[operator, 'x']]), () => clock.ms);
  return { clock, meter, figures: () => meter.take()!.operators[0]! };
}

test('a tap works while the next tile is waited for, and is held up while nobody asks for it', async () => {
  const { clock, meter, figures } = metered('tap');
  const source = async function* (): AsyncGenerator<Tile> {
    for (let i = 0; i < 2; i++) {
      clock.ms += 30;
      yield await Promise.resolve({} as Tile);
    }
  };
  let tiles = 0;
  for await (const tile of measuredTiles(source(), meter)) {
    tiles += Object.keys(tile).length + 1;
    clock.ms += 20;
  }
  expect(tiles).toBe(2);
  expect(figures()).toMatchObject({ busy: 0.6, backpressured: 0.4, idle: 0 });
});

/** Takes two linears through a chain that has each for 40 ms; to read one takes 10. */
async function loadTwo(read: (job: LinearJob) => Promise<void>) {
  const { clock, meter, figures } = metered('load');
  const loading = measuredLoad(meter, async (job) => {
    clock.ms += 10;
    await read(job);
    return { dtype: 'bf16' as const, weights: new Uint16Array(0) };
  });
  const jobs = [{ name: 'a' }, { name: 'b' }] as LinearJob[];
  loading.expect(jobs);
  const chain = concatMap((job: LinearJob) =>
    from(loading.load(job)).pipe(
      concatMap(async (loaded) => {
        await new Promise(setImmediate);
        clock.ms += 40;
        return loaded;
      }),
    ),
  );
  await lastValueFrom(from(jobs).pipe(oneByOne(chain), toArray()));
  return figures();
}

test('the next weights are read while the chain has a linear; then reading is held up, and idle once none wait', async () => {
  const order: string[] = [];
  const figures = await loadTwo(({ name }) => Promise.resolve(void order.push(name)));
  expect(figures).toMatchObject({ busy: 0.2, backpressured: 0.4, idle: 0.4, done: 2, queue: 0 });
  expect(order).toEqual(['a', 'b']);
});

test('weights that cannot be read fail their own linear, when its turn comes', async () => {
  const read = ({ name }: LinearJob) =>
    name === 'b' ? Promise.reject(new Error('b is damaged')) : Promise.resolve();
  await expect(loadTwo(read)).rejects.toThrow('b is damaged');
});

test('the first weights are read when they are expected, as many as are read ahead, and the next when one is taken', async () => {
  const read: string[] = [];
  const { meter } = metered('load');
  const loading = measuredLoad(
    meter,
    ({ name }) => {
      read.push(name);
      return Promise.resolve({ dtype: 'bf16' as const, weights: new Uint16Array(0) });
    },
    2,
  );
  const jobs = ['a', 'b', 'c', 'd'].map((name) => ({ name }) as LinearJob);
  loading.expect(jobs);
  expect(read).toEqual(['a', 'b']);
  // What is known of a linear's inputs comes later: it is the same linear.
  await lastValueFrom(from(loading.load({ ...jobs[1]! })));
  expect(read).toEqual(['a', 'b', 'c']);
  await lastValueFrom(from(loading.load({ ...jobs[3]! })));
  expect(read).toEqual(['a', 'b', 'c', 'd']);
  await lastValueFrom(from(loading.load({ ...jobs[0]! })));
  expect(read).toEqual(['a', 'b', 'c', 'd']);
});
