import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { isolateCalls, type CallOptions } from './index.ts';
import type { OddAnswer, OddCall } from './testing/odd-process.ts';

const SCRIPT = pathToFileURL(path.join(import.meta.dirname, '../dist/testing/odd-process.js'));
/** Far more than any call of these tests takes that is to be answered. */
const LONG: CallOptions = { timeMs: 60_000 };

const made: { close(): void }[] = [];
afterEach(() => {
  for (const calls of made.splice(0)) calls.close();
});

function oddCalls(
  options: { atOnce?: number; smallBytes?: number; memoryBytes?: number; script?: URL } = {},
) {
  const calls = isolateCalls<OddCall, OddAnswer>({
    script: SCRIPT,
    setup: 'said ',
    memoryBytes: 512 * 2 ** 20,
    ...options,
  });
  made.push(calls);
  return calls;
}

test('calls are answered by one process, which knows what it was set up with', async () => {
  const calls = oddCalls();
  const [a, b] = await Promise.all(['a', 'b'].map((echo) => calls.call({ echo }, LONG)));
  expect(a).toMatchObject({ answer: { text: 'said a' } });
  expect(b).toMatchObject({ answer: { text: 'said b' } });
  expect(a).toMatchObject({ answer: { pid: (b as { answer: OddAnswer }).answer.pid } });
});

test('an error of the work is the refusal of its call', async () => {
  expect(await oddCalls().call({ fail: 'no such token' }, LONG)).toEqual({ refusal: 'no such token' });
});

test.each([
  ['exit', /exit code 3/],
  ['abort', /SIGABRT/],
  ['panic', /^index out of bounds$/],
] as const)(
  'a call that ends its process (%s) is refused by its cause, the next one answered',
  async (how, why) => {
    const calls = oddCalls();
    expect(await calls.call({ do: how }, LONG)).toMatchObject({ refusal: expect.stringMatching(why) });
    expect(await calls.call({ echo: 'on' }, LONG)).toMatchObject({ answer: { text: 'said on' } });
  },
);

test('a call that takes too long or too much memory is refused, also where the thread is held', async () => {
  const calls = oddCalls({ memoryBytes: 256 * 2 ** 20 });
  expect(await calls.call({ do: 'hang' }, { timeMs: 200 })).toEqual({ refusal: 'takes longer than 0.2 s' });
  expect(await calls.call({ do: 'allocate' }, LONG)).toEqual({
    refusal: 'needs more than 256 MiB of memory',
  });
  // What a call says it needs comes on top.
  expect(await calls.call({ do: 'allocate' }, { ...LONG, extraBytes: 64 * 2 ** 20 })).toEqual({
    refusal: 'needs more than 320 MiB of memory',
  });
});

test('small calls wait in the process, others for the ones before to come back', async () => {
  const calls = oddCalls({ smallBytes: 100 });
  const order: string[] = [];
  const call = async (what: OddCall, name: string, extraBytes: number) => {
    await calls.call(what, { ...LONG, extraBytes });
    order.push(name);
  };
  await Promise.all([
    call({ later: '' }, 'first', 40),
    call({ echo: '' }, 'small', 40),
    call({ echo: '' }, 'large', 70),
    call({ echo: '' }, 'behind it', 1),
  ]);
  expect(order).toEqual(['small', 'first', 'large', 'behind it']);
});

test('neighbours of a bad call that wait in its process are answered, too', async () => {
  const calls = oddCalls({ smallBytes: 100 });
  const outcomes = await Promise.all([
    calls.call({ later: 'a' }, LONG),
    calls.call({ do: 'abort' }, LONG),
    calls.call({ later: 'b' }, LONG),
  ]);
  expect(outcomes).toMatchObject([
    { answer: { text: 'a' } },
    { refusal: expect.stringContaining('SIGABRT') },
    { answer: { text: 'b' } },
  ]);
});

test('neighbours of a bad call are answered, whether they were under way or waiting', async () => {
  const calls = oddCalls({ atOnce: 3 });
  const outcomes = await Promise.all([
    calls.call({ later: 'a' }, LONG),
    calls.call({ do: 'abort' }, LONG),
    calls.call({ later: 'b' }, LONG),
    calls.call({ do: 'exit' }, LONG),
    calls.call({ later: 'c' }, LONG),
  ]);
  expect(outcomes).toMatchObject([
    { answer: { text: 'a' } },
    { refusal: expect.stringContaining('SIGABRT') },
    { answer: { text: 'b' } },
    { refusal: expect.stringContaining('exit code 3') },
    { answer: { text: 'c' } },
  ]);
});

test('a process that is ended from outside blames no call', async () => {
  const calls = oddCalls();
  const first = await calls.call({ echo: '' }, LONG);
  const { pid } = (first as { answer: OddAnswer }).answer;
  const underWay = calls.call({ later: 'still' }, LONG);
  process.kill(pid, 'SIGTERM');
  expect(await underWay).toMatchObject({ answer: { text: 'still' } });
});

test('a call can be cancelled, before and while the process has it; its time stays limited', async () => {
  const calls = oddCalls();
  await expect(calls.call({ echo: '' }, { ...LONG, signal: AbortSignal.abort() })).rejects.toMatchObject({
    kind: 'cancelled',
  });
  const controller = new AbortController();
  const cancelled = calls.call({ do: 'hang' }, { timeMs: 200, signal: controller.signal });
  const waiting = calls.call({ echo: '' }, { ...LONG, signal: controller.signal });
  controller.abort();
  await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  expect(await calls.call({ echo: 'on' }, LONG)).toMatchObject({ answer: { text: 'said on' } });
});

test('a script that cannot run, and calls after the end, are errors and no refusals', async () => {
  const missing = oddCalls({ script: new URL('missing.js', SCRIPT) });
  await expect(missing.call({ echo: '' }, LONG)).rejects.toMatchObject({ kind: 'unavailable' });
  const calls = oddCalls();
  const underWay = calls.call({ do: 'hang' }, LONG);
  calls.close();
  await expect(underWay).rejects.toMatchObject({ kind: 'unavailable' });
  await expect(calls.call({ echo: '' }, LONG)).rejects.toMatchObject({ kind: 'unavailable' });
});
