import { EsparseError } from '@esparse/errors';
import type { DeviceStates } from '@esparse/model';
import type { ModelTarget } from './compute-inputs.ts';
import { createKeptStates, type StatesKey } from './kept-states.ts';
import type { OpenModel } from './models.ts';
import { withPlaced, type StatesOfShard } from './placed-states.ts';

const SHAPE = [2, 3, 4];
const BYTES = 2 * 24;

/** A device with so much memory, which remembers what is where. */
function deviceOf(bytes: number) {
  const held = new Map<number, Uint16Array>();
  let [free, next] = [bytes, 256];
  return {
    held,
    allocate(size: number) {
      if (size > free) throw new EsparseError('unavailable', 'no room');
      free -= size;
      next += 256;
      held.set(next, new Uint16Array(size / 2));
      return { address: next, bytes: size };
    },
    release({ address, bytes: size }: { address: number; bytes: number }) {
      free += size;
      held.delete(address);
    },
    upload(to: number, from: ArrayBufferView) {
      held.get(to)!.set(from as Uint16Array);
    },
    copy(to: number, from: number) {
      held.get(to)!.set(held.get(from)!);
    },
  };
}

const key = (block: number, shard = 0, more: Partial<StatesKey> = {}): StatesKey => ({
  ...{ store: '/s', run: 'a', dense: false, block, shard },
  ...more,
});
const states = (value: number) => ({ data: new Uint16Array(24).fill(value), shape: SHAPE });

test('states are found by all that names them, as they were kept', () => {
  const device = deviceOf(10 * BYTES);
  const kept = createKeptStates(device, 10 * BYTES);
  const placed = kept.place(key(1), states(7))!;
  expect(kept.find(key(1))).toEqual(placed);
  expect(placed).toMatchObject({ length: 24, shape: SHAPE });
  expect([...device.held.get(placed.address)!]).toEqual([...states(7).data]);
  for (const other of [key(2), key(1, 1), key(1, 0, { dense: true }), key(1, 0, { run: 'b' })])
    expect(kept.find(other)).toBeUndefined();
});

test('a block’s output is kept beside what it took in; what is older goes, and so does another run', () => {
  const device = deviceOf(10 * BYTES);
  const kept = createKeptStates(device, 10 * BYTES);
  const input = kept.place(key(1), states(1))!;
  kept.copy(key(2), input);
  expect([kept.find(key(1)), kept.find(key(2))]).not.toContain(undefined);
  kept.copy(key(3), kept.find(key(2))!);
  expect(kept.find(key(1))).toBeUndefined();
  kept.place(key(0, 0, { run: 'b' }), states(2));
  expect([kept.find(key(2)), kept.find(key(3))]).toEqual([undefined, undefined]);
  expect(device.held.size).toBe(1);
  kept.clear();
  expect(device.held.size).toBe(0);
});

test('what has no room is not kept: neither of the share, nor of the device', () => {
  const [small, full] = [
    createKeptStates(deviceOf(10 * BYTES), BYTES),
    createKeptStates(deviceOf(BYTES), 10 * BYTES),
  ];
  for (const kept of [small, full]) {
    expect(kept.place(key(1, 0), states(1))).toBeDefined();
    expect(kept.place(key(1, 1), states(2))).toBeUndefined();
    // The same once more takes its own place.
    expect(kept.place(key(1, 0), states(3))).toBeDefined();
  }
});

test('states in f32 are not for it', () => {
  const kept = createKeptStates(deviceOf(10 * BYTES), 10 * BYTES);
  expect(() => kept.place(key(0), { data: new Float32Array(24), shape: SHAPE })).toThrow('f32');
});

test('states that somebody works with stay where they are while the room of all is taken, and go when the last lets go', async () => {
  const device = deviceOf(2 * BYTES);
  const kept = createKeptStates(device, 2 * BYTES);
  const open = { opened: { states: kept }, description: { hidden: SHAPE[2] } } as unknown as OpenModel;
  const target = { seqlen: SHAPE[1] } as ModelTarget;
  const work = async ({ values }: StatesOfShard) => {
    const { address } = values as DeviceStates;
    kept.clear();
    // Another that works with them has begun before.
    await new Promise(setImmediate);
    const other = device.allocate(BYTES);
    device.upload(other.address, states(1).data);
    device.release(other);
    return device.held.get(address)?.[0];
  };
  const shard = { key: key(1), read: states(7) };
  const working = [withPlaced(open, target, shard, work), withPlaced(open, target, { key: key(1) }, work)];
  // It is not kept any more when the second looks for it.
  expect(await Promise.all(working)).toEqual([7, undefined]);
  const places = kept.place(key(1), states(7))!;
  const [one, other] = [kept.hold(places), kept.hold(places)];
  kept.clear();
  one();
  expect(device.held.get(places.address)?.[0]).toBe(7);
  other();
  expect(device.held.size).toBe(0);
  expect(kept.bytes()).toBe(0);
});
