import type { MessagePort } from 'node:worker_threads';
import { calledBy, longCall, type Caller } from './long-call.ts';

type Work = (caller: Caller<number>) => Promise<string>;

/** Both ends in one thread. */
const call = (signal: AbortSignal, work: Work, stopped?: AbortSignal) =>
  longCall<number, string>(signal, (port: MessagePort) => calledBy<number, string>(port, stopped, work));

async function all(calling: ReturnType<typeof call>) {
  const seen: number[] = [];
  for (;;) {
    const next = await calling.next();
    if (next.done === true) return { seen, result: next.value };
    seen.push(next.value);
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

test('progress comes while the call runs, and then what it gives', async () => {
  const work: Work = async ({ report }) => {
    for (const done of [1, 2, 3]) {
      report(done);
      await turn();
    }
    return 'done';
  };
  const { seen, result } = await all(call(new AbortController().signal, work));
  expect(result).toBe('done');
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).toEqual([...seen].sort());
});

test('what fails fails the call', async () => {
  const failing = call(new AbortController().signal, () => Promise.reject(new Error('broken')));
  await expect(all(failing)).rejects.toThrow('broken');
});

/** Ends when it is told to. */
const untilStopped: Work = ({ signal, report }) =>
  new Promise((_, reject) => {
    report(1);
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });

test('a caller that is cancelled stops the call', async () => {
  const controller = new AbortController();
  const calling = call(controller.signal, untilStopped);
  expect(await calling.next()).toEqual({ done: false, value: 1 });
  controller.abort(new Error('enough'));
  await expect(calling.next()).rejects.toMatchObject({ kind: 'cancelled' });
});

test('a caller that leaves stops the call', async () => {
  let stopped: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => (stopped = resolve));
  const calling = call(new AbortController().signal, ({ signal, report }) => {
    report(1);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        stopped();
        reject(signal.reason as Error);
      });
    });
  });
  expect(await calling.next()).toEqual({ done: false, value: 1 });
  await calling.return('left');
  await stopping;
});

test('a thread that is stopped ends the call', async () => {
  const controller = new AbortController();
  const calling = call(new AbortController().signal, untilStopped, controller.signal);
  expect(await calling.next()).toEqual({ done: false, value: 1 });
  controller.abort(new Error('the worker is stopping'));
  await expect(calling.next()).rejects.toThrow('the worker is stopping');
});
