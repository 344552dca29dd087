import type { WorkerConnection } from '@esparse/protocol';
import { createWorkerSlots, isSameWorker } from './worker-slots.ts';

const connection = (address: string, ready = 1) => ({ address, ready }) as WorkerConnection;

test('the connection with the most free workers comes first, and none where all are taken', () => {
  const [a, b] = [connection('a', 1), connection('b', 2)];
  const slots = createWorkerSlots([a, b]);
  expect(slots.ready).toBe(3);
  const taken: string[] = [];
  for (let worker = slots.free(); worker !== undefined; worker = slots.free()) {
    taken.push(worker.address);
    slots.acquire(worker);
  }
  expect(taken).toEqual(['b', 'a', 'b']);
});

test('a worker to avoid is chosen only where there is no other, or where its name stands for several', () => {
  const [a, b, several] = [connection('a'), connection('b', 0), connection('dns:///c', 2)];
  expect(createWorkerSlots([a, b]).free(a)).toBe(a);
  expect(createWorkerSlots([a, connection('d')]).free(a)?.address).toBe('d');
  expect(createWorkerSlots([a, several]).free(several)).toBe(several);
  expect([isSameWorker(a, a), isSameWorker(several, several), isSameWorker(a, undefined)]).toEqual([
    true,
    false,
    false,
  ]);
});

test('attempts are bounded by inFlight, and a slot that is released twice counts once', () => {
  const a = connection('a', 9);
  const slots = createWorkerSlots([a], 2);
  const releases = [slots.acquire(a), slots.acquire(a)];
  expect(slots.free()).toBeUndefined();
  for (const release of [releases[0]!, releases[0]!]) release();
  expect(slots.free()).toBe(a);
  slots.acquire(a);
  expect(slots.free()).toBeUndefined();
});

test('attempts and results that wait are one more than the slots at most', () => {
  const a = connection('a', 2);
  const slots = createWorkerSlots([a]);
  const release = slots.hold();
  slots.acquire(a);
  expect(slots.free()).toBe(a);
  slots.hold();
  expect(slots.free()).toBeUndefined();
  release();
  release();
  expect(slots.free()).toBe(a);
});
