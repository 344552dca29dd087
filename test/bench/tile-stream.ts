import { fork } from 'node:child_process';
import { once } from 'node:events';
import { lastValueFrom, map, tap, toArray } from 'rxjs';
import { fromPull, gatherStatistics } from '@esparse/dataflow';
import { free } from '@esparse/kernels';
import { connectWorker, type Tile } from '@esparse/protocol';
import { amplitude, entropy, type AnyStatistic } from '@esparse/statistics';
import { heading, median, print, secondsOf } from './table.ts';
import { CHANNELS, SEQLEN, SEQUENCES, TAP } from './tile-server.ts';

const TARGET = { model: '/', store: '/', run: '0'.repeat(32), seqlen: SEQLEN };
const EXPECTED = {
  block: 0,
  shard: 0,
  seqlen: SEQLEN,
  sequences: SEQUENCES,
  taps: new Map([[TAP, CHANNELS]]),
};
const BYTES = SEQUENCES * SEQLEN * CHANNELS * 4;
const RUNS = 5;

/** Tiles from a worker process that makes them for nothing, into nothing and into the statistics. */
export async function benchTileStream(): Promise<void> {
  heading('gRPC tile stream, f32, two processes');
  const child = fork(new URL('tile-server.js', import.meta.url), { stdio: 'inherit' });
  const [address] = (await once(child, 'message')) as [string];
  const worker = connectWorker(address);
  try {
    const tiles$ = () =>
      fromPull<Tile>((signal) => worker.streamActivations(TARGET, EXPECTED, signal), {
        dispose: ({ data }) => {
          free(data);
        },
      });
    const alone = await rate(() =>
      lastValueFrom(
        tiles$().pipe(
          tap(({ release }) => {
            release();
          }),
          map(() => 0),
        ),
      ),
    );
    const counted = await rate(() =>
      lastValueFrom(
        tiles$().pipe(
          gatherStatistics({
            taps: EXPECTED.taps,
            statistics: [amplitude as AnyStatistic, entropy as AnyStatistic],
            shards: [0],
          }),
          toArray(),
        ),
      ),
    );
    print({
      name: 'nothing behind it',
      measured: `${(alone / 1e6).toFixed(0)} MB/s`,
      target: '>= 1000 MB/s',
      met: alone >= 1e9,
    });
    print({
      name: 'into amplitude and entropy',
      measured: `${(counted / 1e6).toFixed(0)} MB/s`,
      target: '>= 500 MB/s',
      met: counted >= 5e8,
    });
  } finally {
    worker.close();
    child.kill();
    await once(child, 'exit');
  }
}

/** Bytes a second: the median of some runs after one that warms up. */
async function rate(work: () => Promise<unknown>): Promise<number> {
  await work();
  const rates: number[] = [];
  for (let i = 0; i < RUNS; i++) rates.push(BYTES / (await secondsOf(work)));
  return median(rates);
}
