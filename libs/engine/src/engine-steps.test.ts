/** How an engine keeps its books around a device that takes its time. */
import { standInEngine } from './testing/stand-in-backend.ts';

const TOKENS = Uint32Array.of(1, 2, 3);

test('pages that are released while a step is under way come free when it ends', async () => {
  const { engine } = standInEngine({ pages: 10 });
  const [a, b] = [engine.reserve(4)!, engine.reserve(4)!];
  const step = engine.step([{ sequence: a, tokens: TOKENS, want: 'token' }]);
  await Promise.resolve();
  a.release();
  b.release();
  expect(engine.freePages()).toBe(2);
  expect(engine.reserve(4)).toBeUndefined();
  await step;
  expect(engine.freePages()).toBe(10);
});

test('a step that fails changes no sequence, and can be tried again', async () => {
  const { engine, model } = standInEngine();
  const whole = engine.reserve(10)!;
  const [expected] = await engine.step([{ sequence: whole, tokens: TOKENS, want: 'token' }]);
  const sequence = engine.reserve(10)!;
  await engine.step([{ sequence, tokens: TOKENS.subarray(0, 1), want: 'nothing' }]);
  model.failure = new Error('the device broke');
  const part = { sequence, tokens: TOKENS.subarray(1), want: 'token' } as const;
  await expect(engine.step([part])).rejects.toThrow('the device broke');
  expect(sequence.length).toBe(1);
  model.failure = undefined;
  expect(await engine.step([part])).toEqual([expected]);
  expect(sequence.length).toBe(3);
});

test('steps run in the order in which they were asked for, and one that fails holds up none', async () => {
  const { engine, model } = standInEngine();
  const sequence = engine.reserve(10)!;
  const part = (token: number) => ({ sequence, tokens: Uint32Array.of(token), want: 'nothing' }) as const;
  const results = await Promise.allSettled([
    engine.step([part(1)]),
    engine.step([part(99)]),
    engine.step([part(2), { ...part(3), sequence: engine.reserve(3)! }]),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(model.steps).toEqual([[1], [1, 1]]);
  expect(sequence.length).toBe(2);
});

test('an engine that is closed ends its step first, and refuses what was asked for after', async () => {
  const { engine, model } = standInEngine();
  let closedAfter = -1;
  model.close = () => {
    closedAfter = model.steps.length;
    return Promise.resolve();
  };
  const part = { sequence: engine.reserve(10)!, tokens: TOKENS, want: 'token' } as const;
  const step = engine.step([part]);
  const closing = engine.close();
  await expect(engine.step([part])).rejects.toThrow(/closed/);
  expect(await step).toHaveLength(1);
  await closing;
  expect(closedAfter).toBe(1);
  await engine.close();
});

test('a sampler sees the tokens so far, and where the prompt ends', async () => {
  const { engine, model } = standInEngine();
  const histories: unknown[] = [];
  const run = model.run.bind(model);
  model.run = (parts, signal) => {
    for (const part of parts) {
      const { tokens, promptTokens } = part.sequence.history(part);
      histories.push([[...tokens], promptTokens]);
    }
    return run(parts, signal);
  };
  const sequence = engine.reserve(10)!;
  await engine.step([{ sequence, tokens: TOKENS.subarray(0, 2), want: 'nothing' }]);
  await engine.step([{ sequence, tokens: TOKENS.subarray(2), want: 'token' }]);
  await engine.step([{ sequence, tokens: Uint32Array.of(7), want: 'token' }]);
  expect(histories.slice(1)).toEqual([
    [[1, 2, 3], 3],
    [[1, 2, 3, 7], 3],
  ]);
});
