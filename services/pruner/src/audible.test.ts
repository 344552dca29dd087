import { audible } from './audible.ts';

async function* messages(left: { closed: boolean }, then: Promise<unknown>) {
  try {
    yield 1;
    yield 2;
    await then;
  } finally {
    left.closed = true;
  }
}

test('what a worker sends passes, and ends as it ends', async () => {
  const seen: number[] = [];
  const left = { closed: false };
  for await (const message of audible(messages(left, Promise.resolve()), 'w:1')) seen.push(message);
  expect(seen).toEqual([1, 2]);
  await expect(
    (async () => {
      for await (const message of audible(messages(left, Promise.reject(new Error('broken'))), 'w:1'))
        expect(message).toBeLessThan(3);
    })(),
  ).rejects.toThrow('broken');
});

test('a worker that falls silent is left, so that its task goes elsewhere', async () => {
  const seen: number[] = [];
  const hanging = async () => {
    for await (const message of audible(messages({ closed: false }, new Promise(() => undefined)), 'w:1', 10))
      seen.push(message);
  };
  await expect(hanging()).rejects.toMatchObject({
    kind: 'unavailable',
    message: 'worker w:1 has sent nothing for 0.01 s',
  });
  expect(seen).toEqual([1, 2]);
});

test('who leaves, leaves the worker', async () => {
  const left = { closed: false };
  for await (const message of audible(messages(left, Promise.resolve()), 'w:1')) if (message === 1) break;
  await new Promise(setImmediate);
  expect(left.closed).toBe(true);
});
