import { setImmediate } from 'node:timers/promises';
import { amplitude, type AnyStatistic, type SharingDevice } from '@esparse/statistics';
import { sketchArrival } from './sketch-arrival.ts';

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

test('what is shared is opened: pieces by those who arrange them, states that are taken over as a whole', async () => {
  const [device, opened] = [{} as SharingDevice, [] as string[]];
  const large = {
    ...(amplitude as AnyStatistic),
    pieces: {
      bytes: () => 100,
      receive: () => ({
        add: () => Promise.resolve(),
        open: (on: SharingDevice, handles: readonly Uint8Array[]) => {
          expect(on).toBe(device);
          opened.push(`${handles.length} pieces`);
          return Promise.resolve();
        },
        complete: () => undefined,
        release: () => undefined,
      }),
    },
  };
  const whole = {
    ...(amplitude as AnyStatistic),
    takeOver: (_: SharingDevice, handles: readonly Uint8Array[], channels: number, tokens: number) => {
      opened.push(`${handles.length} parts of ${channels} channels`);
      return Promise.resolve(Object.assign(amplitude.create(channels, {}), { tokens }));
    },
  };
  const expected = new Map([
    ['a/large', { statistic: large, channels: 8 }],
    ['a/whole', { statistic: whole, channels: 8 }],
  ]);
  const handles = [new Uint8Array(64), new Uint8Array(64)];
  const message = { data: new Uint8Array(0), shared: handles, tokens: 5 };
  const arriving = sketchArrival(expected, { limit: 10, worker: 'host:1', device });
  await arriving.add({ ...message, state: 'a/large' });
  await arriving.add({ ...message, state: 'a/whole' });
  const { states } = await arriving.sketch();
  expect(opened).toEqual(['2 pieces', '2 parts of 8 channels']);
  expect(states.get('a/whole')).toMatchObject({ state: { tokens: 5, channels: 8 } });
  await expect(arriving.add({ ...message, state: 'a/whole' })).rejects.toMatchObject({ kind: 'protocol' });
  const unasked = sketchArrival(expected, { limit: 10, worker: 'host:1' });
  await expect(unasked.add({ ...message, state: 'a/whole' })).rejects.toMatchObject({ kind: 'protocol' });
});

test('more bytes than a sketch can have are refused by the name of the worker', async () => {
  await expect(pieced().arriving.add({ state: '', data: new Uint8Array(11) })).rejects.toMatchObject({
    kind: 'protocol',
    message: 'worker host:1 sent a sketch of more than 10 bytes',
  });
});

test('what is shared is read while the next comes: pieces together, states one after the other, and all of it ends before it is given back', async () => {
  const log: string[] = [];
  const slowly = async (name: string) => {
    log.push(`${name} begins`);
    await setImmediate();
    await setImmediate();
    if (name === 'c') throw new Error('it cannot be opened');
    log.push(`${name} ends`);
  };
  const large = (name: string): AnyStatistic => ({
    ...(amplitude as AnyStatistic),
    pieces: {
      bytes: () => 100,
      receive: () => ({
        add: () => Promise.resolve(),
        open: () => slowly(name),
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
    [large('a'), large('b'), large('c'), whole('d'), whole('e')].map((statistic, i) => [
      'abcde'[i]!,
      { statistic, channels: 8 },
    ]),
  );
  const arrivalOf = async (states: string) => {
    log.splice(0);
    const arriving = sketchArrival(expected, { limit: 10, worker: 'host:1', device: {} as SharingDevice });
    for (const state of states)
      await arriving.add({ state, data: new Uint8Array(0), shared: [new Uint8Array(64)] });
    return arriving;
  };
  const { pieces, states } = await (await arrivalOf('dabe')).sketch();
  expect([[...pieces.keys()], [...states.keys()]]).toEqual([
    ['a', 'b'],
    ['d', 'e'],
  ]);
  expect(log.indexOf('b begins')).toBeLessThan(log.indexOf('a ends'));
  expect(log.indexOf('e begins')).toBeGreaterThan(log.indexOf('d ends'));
  const failing = await arrivalOf('ac');
  for (const again of [{ data: Uint8Array.of(1) }, { data: new Uint8Array(0), shared: [new Uint8Array(64)] }])
    await expect(failing.add({ state: 'a', ...again })).rejects.toMatchObject({ kind: 'protocol' });
  await failing.release();
  expect(log).toEqual(['a begins', 'c begins', 'a ends', 'a goes', 'c goes']);
  await expect(failing.sketch()).rejects.toThrow('it cannot be opened');
});
