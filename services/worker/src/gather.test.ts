import { amplitude } from '@esparse/statistics';
import { foldShardsOnDevice, type DeviceFolding, type FoldOptions } from './gather.ts';

/** A device that folds two shards of a tap and notes what it is asked for. @param failing - the shard that it cannot add */
function folding(log: string[], failing?: number): DeviceFolding {
  const told: string[] = [];
  const state = { tap: 'a', statistic: 'amplitude' };
  return {
    begin: () => Promise.resolve(),
    read: () => Promise.resolve(undefined),
    async add(shard) {
      if (shard === failing) throw new Error('it is lost');
      return Promise.resolve(8);
    },
    shared: () => Promise.resolve(told.push('a') > 1 ? [] : [{ ...state, handles: [Uint8Array.of(7)] }]),
    finish: () =>
      Promise.resolve(
        told.length > 0
          ? [{ ...state, isShared: true, tokens: 16 }]
          : [{ ...state, isShared: false, tokens: 16, state: amplitude.create(8, {}) }],
      ),
    piece: () => Promise.resolve(undefined),
    end: () => Promise.resolve(void log.push('ends')),
  };
}

/** What comes of a worker: handles, names of states that may be read, bytes. */
async function messagesOf(
  of: DeviceFolding,
  shares: boolean,
  log: string[],
  { signal } = new AbortController(),
): Promise<void> {
  const options: FoldOptions = {
    ...{ block: 0, shards: [0, 1], taps: [], statistics: [amplitude], shares, signal },
  };
  for await (const { state = '', shared = [], data } of foldShardsOnDevice(of, options)) {
    if (shared.length > 0) log.push(`${state} is opened`);
    else if (state !== '') log.push(`${state} is read`);
    else log.push(data === undefined ? 'tokens' : 'bytes');
  }
}

test('what is shared is told of behind the first shard, and is read once all are added', async () => {
  const log: string[] = [];
  await messagesOf(folding(log), true, log);
  expect(log).toEqual(['a/amplitude is opened', 'tokens', 'tokens', 'a/amplitude is read', 'bytes']);
  log.splice(0);
  await messagesOf(folding(log), false, log);
  expect(log).toEqual(['tokens', 'tokens', 'bytes', 'ends']);
});

test('what another process may have opened stays where a shard fails, and what none has goes', async () => {
  const log: string[] = [];
  await expect(messagesOf(folding(log, 1), true, log)).rejects.toThrow('it is lost');
  expect(log).toEqual(['a/amplitude is opened', 'tokens']);
  log.splice(0);
  await expect(messagesOf(folding(log, 0), true, log)).rejects.toThrow('it is lost');
  expect(log).toEqual(['ends']);
});

test('nobody is told of what is shared once the call is cancelled', async () => {
  const log: string[] = [];
  const caller = new AbortController();
  const device = folding(log);
  const cancelled: DeviceFolding = {
    ...device,
    async add(...given) {
      caller.abort(new Error('it is cancelled'));
      return device.add(...given);
    },
  };
  await expect(messagesOf(cancelled, true, log, caller)).rejects.toThrow('it is cancelled');
  expect(log).toEqual(['ends']);
});
