import { EsparseError } from '@esparse/errors';
import type { TapSpec } from '@esparse/model';
import type { WorkerConnection } from '@esparse/protocol';
import { amplitude, type AnyStatistic, type StatisticReader } from '@esparse/statistics';
import { firstValueFrom, type Observable } from 'rxjs';
import { calibrateBlock$ } from './calibrate-block.ts';
import type { RunContext } from './run-context.ts';

const taps = [{ name: 'a', channels: 8 }] as unknown as TapSpec[];

/** Calibrates by a worker that shares what cannot be read. @param finishes - whether it comes to its end */
function failing(log: string[], { finishes }: { readonly finishes: boolean }) {
  const statistic: AnyStatistic = {
    ...(amplitude as AnyStatistic),
    async takeOver() {
      log.push('reads');
      await new Promise((resolve) => setImmediate(resolve));
      log.push('cannot');
      throw new EsparseError('unsupported', 'no way to that GPU');
    },
  };
  const worker = {
    address: 'host:1',
    async *gatherStatistics() {
      const message = { state: `a/${statistic.name}`, data: new Uint8Array(0) };
      yield await Promise.resolve({ ...message, tokens: 0, shared: [Uint8Array.of(1)] });
      if (!finishes) throw new EsparseError('unavailable', 'the worker has another fault');
      yield { ...message, tokens: 8, shared: [] };
      log.push('sent');
    },
    endGather: () => Promise.resolve(void log.push('told')),
  } as unknown as WorkerConnection;
  const nothing = () => undefined;
  const device = {
    openShared: () => log.push('opens'),
    closeShared: () => Promise.resolve(void log.push('closes')),
  };
  const sharing = { device, works: true };
  const context = {
    ...{ combine: 'worker', readers: new Set([{ statistic } as StatisticReader]), devices: [], sharing },
    ...{ shards: [{ index: 0, sequences: 1 }], target: {}, options: { seqlen: 8 }, emit: nothing },
    meter: { busy: () => nothing, queue: nothing, done: nothing },
    pool: {
      ready: 1,
      run$: ({ run$ }: { run$: (of: WorkerConnection) => Observable<unknown> }) => run$(worker),
    },
  } as unknown as RunContext;
  const calibrated = firstValueFrom(calibrateBlock$(context, { block: 0, taps, allTokens: false }));
  return { calibrated, sharing };
}

test('a worker whose memory cannot be read is told that it is not needed, once nothing reads it any more', async () => {
  const log: string[] = [];
  const { calibrated, sharing } = failing(log, { finishes: true });
  await expect(calibrated).rejects.toThrow('statistics are sent from now on: no way to that GPU');
  expect(sharing.works).toBe(false);
  expect(log).toEqual(['opens', 'reads', 'sent', 'cannot', 'closes', 'told']);
});

test('a worker that fails with memory that is open is told when it is closed', async () => {
  const log: string[] = [];
  const { calibrated, sharing } = failing(log, { finishes: false });
  await expect(calibrated).rejects.toThrow('the worker has another fault');
  expect(sharing.works).toBe(true);
  expect(log).toEqual(['opens', 'closes', 'told']);
});
