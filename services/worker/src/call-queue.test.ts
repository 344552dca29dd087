import { createCallQueue } from './call-queue.ts';

const never = new AbortController().signal;
const settle = () => new Promise(setImmediate);

/** Work that ends when the test says so. */
function held() {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (end = resolve));
  return { work: () => done, end };
}

test('one works, the next wait in order, and more than the bound are refused as busy', async () => {
  const queue = createCallQueue({ maxWaiting: 2 });
  const order: number[] = [];
  const first = held();
  const running = queue.run(never, first.work);
  const rest = [1, 2].map((n) => queue.run(never, () => Promise.resolve(order.push(n))));
  await expect(queue.run(never, () => Promise.resolve())).rejects.toMatchObject({ kind: 'busy' });
  await settle();
  expect(order).toEqual([]);
  first.end();
  await Promise.all([running, ...rest]);
  expect(order).toEqual([1, 2]);
  await expect(queue.run(never, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('work that fails lets the next begin, and a caller that gives up while it waits makes room for another', async () => {
  const queue = createCallQueue({ maxWaiting: 1 });
  const first = held();
  const running = queue.run(never, first.work);
  const givingUp = new AbortController();
  const abandoned = queue.run(givingUp.signal, () => Promise.reject(new Error('never runs')));
  givingUp.abort(new Error('given up'));
  await expect(abandoned).rejects.toThrow('given up');
  const failing = queue.run(never, () => Promise.reject(new Error('broken')));
  first.end();
  await running;
  await expect(failing).rejects.toThrow('broken');
  await expect(queue.run(never, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('a stream holds the queue until it ends, also where its reader leaves', async () => {
  const queue = createCallQueue({ maxWaiting: 0 });
  const numbers = async function* () {
    for (let n = 0; n < 9; n++) yield await Promise.resolve(n);
  };
  for await (const n of queue.stream(never, numbers)) {
    await expect(queue.run(never, () => Promise.resolve())).rejects.toMatchObject({ kind: 'busy' });
    if (n === 1) break;
  }
  await expect(queue.run(never, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('small work runs side by side as far as there are places, and other work alone, in the order of all', async () => {
  const queue = createCallQueue({ places: 2, maxWaiting: 4 });
  const order: string[] = [];
  const calls = ['a', 'b', 'c', 'alone', 'd'].map((name) => {
    const { work, end } = held();
    const run = async () => {
      order.push(name);
      await work();
    };
    return { end, running: queue.run(never, run, name !== 'alone') };
  });
  const seen = async (expected: string) => {
    await settle();
    expect(order.join(' ')).toBe(expected);
  };
  await seen('a b');
  calls[1]!.end();
  await seen('a b c');
  calls[0]!.end();
  await seen('a b c');
  calls[2]!.end();
  await seen('a b c alone');
  calls[3]!.end();
  await seen('a b c alone d');
  calls[4]!.end();
  await Promise.all(calls.map(({ running }) => running));
});
