import type { ChoiceDelta } from './choice.ts';
import { UnreadDeltas } from './unread-deltas.ts';

const delta = (index: number, text: string, more: Partial<ChoiceDelta> = {}): ChoiceDelta => ({
  index,
  text,
  tokens: [],
  ...more,
});
const token = (id: number) => ({ token: id, offset: 0, logprob: { logprob: -1, ids: [], logprobs: [] } });

async function read(unread: UnreadDeltas): Promise<(readonly ChoiceDelta[])[]> {
  const all: (readonly ChoiceDelta[])[] = [];
  for await (const deltas of unread) all.push(deltas);
  return all;
}

test('what waits is joined text by text, and read at once', async () => {
  const unread = new UnreadDeltas({ maxBytes: 10_000, alternatives: 0 });
  unread.add(delta(0, 'a', { tokens: [token(1)] }));
  unread.add(delta(1, 'x'));
  unread.add(delta(0, 'b', { tokens: [token(2)], finish: 'stop' }));
  unread.end();
  expect(await read(unread)).toEqual([
    [delta(0, 'ab', { tokens: [token(1), token(2)], finish: 'stop' }), delta(1, 'x')],
  ]);
});

test('a reader that waits is woken by a delta and by the end', async () => {
  const unread = new UnreadDeltas({ maxBytes: 100, alternatives: 0 });
  const reading = read(unread);
  await Promise.resolve();
  unread.add(delta(0, 'a'));
  await new Promise(setImmediate);
  unread.add(delta(0, 'b'));
  await new Promise(setImmediate);
  unread.end();
  expect(await reading).toEqual([[delta(0, 'a')], [delta(0, 'b')]]);
});

test('what comes in one turn of the event loop is read together', async () => {
  const unread = new UnreadDeltas({ maxBytes: 100, alternatives: 0 });
  const reading = read(unread);
  // As messages of the engine do: between two of them all that is ready to run has run.
  for (const text of ['a', 'b']) {
    await new Promise<void>((resolve) => {
      process.nextTick(resolve);
    });
    unread.add(delta(0, text));
  }
  await new Promise(setImmediate);
  unread.end();
  expect(await reading).toEqual([[delta(0, 'ab')]]);
});

test('the first error comes after what waits', async () => {
  const unread = new UnreadDeltas({ maxBytes: 100, alternatives: 0 });
  unread.add(delta(0, 'a'));
  unread.end(new Error('the first'));
  unread.end(new Error('the second'));
  const seen: string[] = [];
  const reading = async () => {
    for await (const [one] of unread) seen.push(one!.text);
  };
  await expect(reading()).rejects.toThrow('the first');
  expect(seen).toEqual(['a']);
});

test('beyond its bytes everything that waits is dropped; what was read does not count', async () => {
  const unread = new UnreadDeltas({ maxBytes: 10, alternatives: 0 });
  const deltas = unread[Symbol.asyncIterator]();
  expect(unread.add(delta(0, '12345678'))).toBe(true);
  await deltas.next();
  expect(unread.add(delta(0, '12345678'))).toBe(true);
  expect(unread.add(delta(1, '123'))).toBe(false);
  unread.end();
  expect(await deltas.next()).toMatchObject({ done: true });
});

test('tokens that are reported weigh by the alternatives beside each', () => {
  const room = (alternatives: number) =>
    new UnreadDeltas({ maxBytes: 500, alternatives }).add(delta(0, '', { tokens: [token(1)] }));
  expect([room(0), room(4), room(5)]).toEqual([true, true, false]);
});
