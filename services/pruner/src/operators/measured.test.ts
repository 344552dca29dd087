import { concatMap, delay, from, lastValueFrom, of, toArray } from 'rxjs';
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

test('reading weights is held up while the chain has a linear and others wait, and idle once none do', async () => {
  const { clock, meter, figures } = metered('load');
  const loading = measuredLoad(meter, () => {
    clock.ms += 10;
    return of({ dtype: 'bf16' as const, weights: new Uint16Array(0) });
  });
  loading.expect(2);
  const jobs = [{ name: 'a' }, { name: 'b' }] as LinearJob[];
  const chain = concatMap((job: LinearJob) =>
    from(loading.load(job)).pipe(
      concatMap((loaded) => {
        clock.ms += 40;
        return of(loaded).pipe(delay(1));
      }),
    ),
  );
  await lastValueFrom(from(jobs).pipe(oneByOne(chain), toArray()));
  expect(figures()).toMatchObject({ busy: 0.2, backpressured: 0.4, idle: 0.4, done: 2, queue: 0 });
});
