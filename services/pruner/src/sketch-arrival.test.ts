import { setImmediate } from 'node:timers/promises';
import { amplitude, type AnyStatistic, type SharingDevice, type StatisticDevice } from '@esparse/statistics';
import { sketchArrival, type ExpectedState } from './sketch-arrival.ts';

/** A statistic whose states have pieces, and how many bytes of them came and were given back. */
function pieced() {
  const seen = { came: 0, released: 0 };
  const receive = () => ({
    add: (bytes: Uint8Array) => {
      seen.came += bytes.length;
      return Promise.resolve();
    },
    complete: () => undefined,
    release: () => {
      seen.released = seen.came;
    },
  });
  const statistic = { ...(amplitude as AnyStatistic), name: 'large', pieces: { bytes: () => 100, receive } };
  const expected = new Map([
    ['mlp_in/large', { statistic, channels: 8 }],
    ['mlp_in/amplitude', { statistic: amplitude, channels: 8 }],
  ]);
  return { seen, arriving: sketchArrival(expected, { limit: 10, worker: 'host:1' }) };
}

test("a sketch's bytes and the pieces of its states are kept apart, in the order in which they came", async () => {
  const { seen, arriving } = pieced();
  await arriving.add({ state: 'mlp_in/large', data: new Uint8Array(60) });
  await arriving.add({ state: 'mlp_in/large', data: new Uint8Array(40) });
  await arriving.add({ state: '', data: Uint8Array.of(1, 2) });
  await arriving.add({ state: '', data: Uint8Array.of(3) });
  const { bytes, pieces } = await arriving.sketch();
  expect([...bytes]).toEqual([1, 2, 3]);
  expect([...pieces.keys()]).toEqual(['mlp_in/large']);
  await arriving.release();
  expect(seen).toEqual({ came: 100, released: 100 });
});

test('pieces of a state that nobody asked for, or that has none, are refused', async () => {
  for (const state of ['other/large', 'mlp_in/amplitude', '__proto__']) {
    const added = pieced().arriving.add({ state, data: new Uint8Array(8) });
    await expect(added).rejects.toMatchObject({ kind: 'protocol' });
  }
});

/** A device whose memory is opened at an address that is the first byte of its handle. */
function sharingDevice(log: string[] = []): SharingDevice {
  return {
    openShared: ([address]: Uint8Array) => {
      log.push(`opens ${address}`);
      return address;
    },
    closeShared: (address: number) => Promise.resolve(void log.push(`closes ${address}`)),
  } as unknown as SharingDevice;
}

const shares = (state: string, ...addresses: number[]) => ({
  ...{ state, data: new Uint8Array(0), shared: addresses.map((address) => Uint8Array.of(address)) },
});
const finishes = (state: string, tokens = 0) => ({ state, data: new Uint8Array(0), tokens });

test('what is shared is opened when it is told of, and read once it is finished: pieces by those who arrange them, states that are taken over as a whole', async () => {
  const log: string[] = [];
  const device = sharingDevice(log);
  const large = {
    ...(amplitude as AnyStatistic),
    pieces: {
      bytes: () => 100,
      receive: () => ({
        add: () => Promise.resolve(),
        read: (on: StatisticDevice, addresses: readonly number[]) => {
          expect(on).toBe(device);
          log.push(`pieces at ${addresses.join(' and ')}`);
          return Promise.resolve();
        },
        complete: () => undefined,
        release: () => undefined,
      }),
    },
  };
  const whole = {
    ...(amplitude as AnyStatistic),
    takeOver: (_: StatisticDevice, addresses: readonly number[], channels: number, tokens: number) => {
      log.push(`${channels} channels at ${addresses.join(' and ')}`);
      return Promise.resolve(Object.assign(amplitude.create(channels, {}), { tokens }));
    },
  };
  const expected = new Map<string, ExpectedState>([
    ['a/large', { statistic: large, channels: 8 }],
    ['a/whole', { statistic: whole, channels: 8 }],
  ]);
  const arriving = sketchArrival(expected, { limit: 10, worker: 'host:1', device });
  await arriving.add(shares('a/large', 1, 2));
  await arriving.add(shares('a/whole', 3));
  expect(log).toEqual(['opens 1', 'opens 2', 'opens 3']);
  await arriving.add(finishes('a/large'));
  await arriving.add(finishes('a/whole', 5));
  const { states } = await arriving.sketch();
  expect(log.slice(3).sort()).toEqual([
    '8 channels at 3',
    ...['closes 1', 'closes 2', 'closes 3', 'pieces at 1 and 2'],
  ]);
  expect(states.get('a/whole')).toMatchObject({ state: { tokens: 5, channels: 8 } });
  for (const again of [
    shares('a/whole', 4),
    finishes('a/whole'),
    { state: 'a/large', data: Uint8Array.of(1) },
  ])
    await expect(arriving.add(again)).rejects.toMatchObject({ kind: 'protocol' });
  const unasked = sketchArrival(expected, { limit: 10, worker: 'host:1' });
  await expect(unasked.add(shares('a/whole', 3))).rejects.toMatchObject({ kind: 'protocol' });
});

test('what is shared and never finished is refused, and closed', async () => {
  const log: string[] = [];
  const statistic: AnyStatistic = {
    ...(amplitude as AnyStatistic),
    takeOver: () => Promise.reject(new Error()),
  };
  const expected = new Map([['a', { statistic, channels: 8 }]]);
  const arriving = sketchArrival(expected, { limit: 10, worker: 'host:1', device: sharingDevice(log) });
  await arriving.add(shares('a', 1));
  await expect(arriving.sketch()).rejects.toMatchObject({ kind: 'protocol' });
  await arriving.release();
  expect(log).toEqual(['opens 1', 'closes 1']);
});

test('more bytes than a sketch can have are refused by the name of the worker', async () => {
  await expect(pieced().arriving.add({ state: '', data: new Uint8Array(11) })).rejects.toMatchObject({
    kind: 'protocol',
    message: 'worker host:1 sent a sketch of more than 10 bytes',
  });
});

test('what is shared is read beside what comes next, and all of it ends before it is given back', async () => {
  const log: string[] = [];
  const slowly = async (name: string) => {
    log.push(`${name} begins`);
    await setImmediate();
    await setImmediate();
    if (name === 'c') throw new Error('it cannot be read');
    log.push(`${name} ends`);
  };
  const large = (name: string): AnyStatistic => ({
    ...(amplitude as AnyStatistic),
    pieces: {
      bytes: () => 100,
      receive: () => ({
        add: () => Promise.resolve(),
        read: () => slowly(name),
        complete: () => undefined,
        release: () => void log.push(`${name} goes`),
      }),
    },
  });
  const whole = (name: string): AnyStatistic => ({
    ...(amplitude as AnyStatistic),
    takeOver: async (_, __, channels) => {
      await slowly(name);
      return amplitude.create(channels, {});
    },
  });
  const expected = new Map(
    [large('a'), large('b'), large('c'), whole('d')].map((statistic, i) => [
      'abcd'[i]!,
      { statistic, channels: 8 },
    ]),
  );
  const arrivalOf = async (states: string) => {
    const arriving = sketchArrival(expected, { limit: 10, worker: 'host:1', device: sharingDevice(log) });
    for (const [i, state] of states.split('').entries()) await arriving.add(shares(state, i));
    log.splice(0);
    for (const state of states) await arriving.add(finishes(state));
    return arriving;
  };
  const { pieces, states } = await (await arrivalOf('dab')).sketch();
  expect([[...pieces.keys()], [...states.keys()]]).toEqual([['a', 'b'], ['d']]);
  expect(log.indexOf('b begins')).toBeLessThan(log.indexOf('d ends'));
  const failing = await arrivalOf('ac');
  await failing.release();
  expect(log).toEqual(['a begins', 'c begins', 'a ends', 'closes 0', 'closes 1', 'a goes', 'c goes']);
  await expect(failing.sketch()).rejects.toThrow('it cannot be read');
});
