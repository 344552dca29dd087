import { createTurns } from './turns.ts';

const never = new AbortController().signal;
const settle = () => new Promise(setImmediate);

/** Work that ends when it is told to. */
function held() {
  let end: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (end = resolve));
  return { work: () => done, end };
}

test('one works, the next wait in order, and more than the bound are refused as busy', async () => {
  const turns = createTurns(2);
  const order: number[] = [];
  const first = held();
  const running = turns.take(never, first.work);
  const rest = [1, 2].map((n) => turns.take(never, () => Promise.resolve(order.push(n))));
  await expect(turns.take(never, () => Promise.resolve())).rejects.toMatchObject({ kind: 'busy' });
  await settle();
  expect(order).toEqual([]);
  first.end();
  await Promise.all([running, ...rest]);
  expect(order).toEqual([1, 2]);
  await expect(turns.take(never, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('work that fails ends its turn, and who leaves while waiting gives its place to another', async () => {
  const turns = createTurns(1);
  const first = held();
  const running = turns.take(never, first.work);
  const leaving = new AbortController();
  const left = turns.take(leaving.signal, () => Promise.reject(new Error('never runs')));
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  const failing = turns.take(never, () => Promise.reject(new Error('broken')));
  first.end();
  await running;
  await expect(failing).rejects.toThrow('broken');
  await expect(turns.take(never, () => Promise.resolve('free'))).resolves.toBe('free');
});

test('a stream has its turn until it ends, also where its reader leaves', async () => {
  const turns = createTurns(0);
  const numbers = async function* () {
    for (let n = 0; n < 9; n++) yield await Promise.resolve(n);
  };
  for await (const n of turns.stream(never, numbers)) {
    await expect(turns.take(never, () => Promise.resolve())).rejects.toMatchObject({ kind: 'busy' });
    if (n === 1) break;
  }
  await expect(turns.take(never, () => Promise.resolve('free'))).resolves.toBe('free');
});
