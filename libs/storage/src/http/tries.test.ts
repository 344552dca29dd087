import { EsparseError } from '@esparse/errors';
import { ATTEMPTS, Broken, withTries } from './tries.ts';

const soon = (message: string) => new Broken(message, { pauseMs: 1 });

test('work that fails by the fault of a server is done again, until it succeeds', async () => {
  let tries = 0;
  const work = () => (++tries < 4 ? Promise.reject(soon('busy')) : Promise.resolve('done'));
  expect(await withTries('https://host/x', undefined, work)).toBe('done');
  expect(tries).toBe(4);
});

test('in the end the error says what failed, how often, and what to do', async () => {
  let tries = 0;
  const work = () => {
    tries++;
    return Promise.reject(soon('the server answered 503'));
  };
  await expect(withTries('https://host/x', undefined, work)).rejects.toMatchObject({
    kind: 'unavailable',
    message: `https://host/x cannot be read: the server answered 503, ${ATTEMPTS} times`,
    hint: expect.stringContaining('network'),
  });
  expect(tries).toBe(ATTEMPTS);
});

test('an error that another try would meet again is thrown at once', async () => {
  let tries = 0;
  const denied = new EsparseError('denied', 'no');
  const work = () => {
    tries++;
    return Promise.reject(denied);
  };
  await expect(withTries('https://host/x', undefined, work)).rejects.toBe(denied);
  expect(tries).toBe(1);
});

test('a signal ends the pause between two tries', async () => {
  const stop = new AbortController();
  const work = () => {
    setTimeout(() => {
      stop.abort();
    }, 5);
    return Promise.reject(new Broken('busy', { pauseMs: 20_000 }));
  };
  await expect(withTries('https://host/x', stop.signal, work)).rejects.toMatchObject({ kind: 'cancelled' });
});
