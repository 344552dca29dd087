import { EsparseError } from '@esparse/errors';
import type { TapSpec } from '@esparse/model';
import type { WorkerConnection } from '@esparse/protocol';
import { amplitude, serialiseSketch, type AnyStatistic, type StatisticReader } from '@esparse/statistics';
import { setImmediate } from 'node:timers/promises';
import { firstValueFrom, type Observable } from 'rxjs';
import { calibrateBlock$ } from './calibrate-block.ts';
import type { RunContext } from './run-context.ts';

const taps = [{ name: 'a', channels: 8 }] as unknown as TapSpec[];

interface Faults {
  /** Whether what is shared can be read. @default true */
  readonly reads?: boolean;
  /** Whether the worker comes to its end. @default true */
  readonly finishes?: boolean;
}

/** Calibrates by one worker that shares; each of some shards is a batch. */
function calibrating(log: string[], batches: number, { reads = true, finishes = true }: Faults = {}) {
  const statistic: AnyStatistic = {
    ...(amplitude as AnyStatistic),
    async takeOver(_device, _addresses, channels, tokens) {
      log.push('reads');
      await setImmediate();
      if (reads) return Object.assign(amplitude.create(channels, {}), { tokens });
      log.push('cannot');
      throw new EsparseError('unsupported', 'no way to that GPU');
    },
  };
  const worker = {
    address: 'host:1',
    async *gatherStatistics(_target: unknown, { shards }: { readonly shards: readonly number[] }) {
      const [state, data] = [`a/${statistic.name}`, new Uint8Array(0)];
      yield { state, data, tokens: 0, shared: [Uint8Array.of(1)] };
      if (!finishes) throw new EsparseError('unavailable', 'the worker has another fault');
      yield { state, data, tokens: 8, shared: [] };
      for await (const bytes of serialiseSketch({ shards: [...shards], states: new Map() }))
        yield { state: '', data: bytes, tokens: 8, shared: [] };
      log.push('sent');
    },
    async endGather(_target: unknown, signal?: AbortSignal) {
      signal?.throwIfAborted();
      for (let i = 0; i < 4; i++) await setImmediate();
      log.push('told');
    },
  } as unknown as WorkerConnection;
  const nothing = () => undefined;
  const device = {
    openShared: () => log.push('opens'),
    closeShared: () => Promise.resolve(void log.push('closes')),
  };
  const sharing = { device, works: true };
  const context = {
    ...{ combine: 'worker', readers: new Set([{ statistic } as StatisticReader]), devices: [], sharing },
    ...{ target: {}, options: { seqlen: 8 }, emit: nothing },
    shards: Array.from({ length: batches }, (_, index) => ({ index, sequences: 1 })),
    meter: { busy: () => nothing, queue: nothing, done: nothing },
    pool: {
      ready: batches,
      run$: ({ run$ }: { run$: (of: WorkerConnection) => Observable<unknown> }) => run$(worker),
    },
  } as unknown as RunContext;
  return { calibrated$: calibrateBlock$(context, { block: 0, taps, allTokens: false }), sharing };
}

test('a worker whose memory cannot be read is told that it is not needed, once nothing reads it any more', async () => {
  const log: string[] = [];
  const { calibrated$, sharing } = calibrating(log, 1, { reads: false });
  await expect(firstValueFrom(calibrated$)).rejects.toThrow(
    'statistics are sent from now on: no way to that GPU',
  );
  expect(sharing.works).toBe(false);
  expect(log).toEqual(['opens', 'reads', 'sent', 'cannot', 'closes', 'told']);
});

test('a worker that fails with memory that is open is told when it is closed', async () => {
  const log: string[] = [];
  const { calibrated$, sharing } = calibrating(log, 1, { finishes: false });
  await expect(firstValueFrom(calibrated$)).rejects.toThrow('the worker has another fault');
  expect(sharing.works).toBe(true);
  expect(log).toEqual(['opens', 'closes', 'told']);
});

test('a worker gathers when what it gathered before is closed, and it has been told so', async () => {
  const log: string[] = [];
  const { states } = await firstValueFrom(calibrating(log, 2).calibrated$);
  expect(states.get('a/amplitude')).toMatchObject({ state: { tokens: 16 } });
  const once = ['opens', 'reads', 'sent', 'closes', 'told'];
  expect(log).toEqual([...once, ...once]);
});

test('a worker is told of what was cancelled, too', async () => {
  const log: string[] = [];
  const subscription = calibrating(log, 1).calibrated$.subscribe();
  while (!log.includes('reads')) await Promise.resolve();
  subscription.unsubscribe();
  for (let i = 0; i < 10; i++) await setImmediate();
  expect(log).toEqual(['opens', 'reads', 'sent', 'closes', 'told']);
});
