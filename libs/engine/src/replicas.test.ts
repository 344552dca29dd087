import { createReplicas } from './replicas.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import type { JobEvent } from './scheduler/job.ts';
import { standInEngine } from './testing/stand-in-backend.ts';

const two = (pages = [100, 100]) => {
  const replicas = pages.map((count, i) => standInEngine({ pages: count, device: String(i) }));
  return {
    engine: createReplicas(replicas.map(({ engine }) => engine)),
    models: replicas.map(({ model }) => model),
  };
};
const part = (sequence: ReturnType<ReturnType<typeof two>['engine']['reserve']>, ...tokens: number[]) => ({
  sequence: sequence!,
  tokens: Uint32Array.from(tokens),
  want: 'token' as const,
});

test('a sequence goes to the device with the fewest, of equal ones to that with most memory, and to another where none is left', () => {
  const { engine } = two([20, 30]);
  const owners = [5, 5, 5].map((tokens) => engine.replicaOf(engine.reserve(tokens)!));
  // Both have one after the first two; the third goes where more is free.
  expect(owners).toEqual([1, 0, 1]);
  expect(engine.freePages()).toBe(50 - 15);
  const most = engine.reserve(20)!; // the first has 15 free, the second 20
  expect(engine.replicaOf(most)).toBe(1);
  expect(engine.reserve(16)).toBeUndefined();
  most.release();
  expect(engine.replicaOf(engine.reserve(16)!)).toBe(1);
  // A sequence is on one device.
  expect(engine.maxContext).toBe(20);
  expect(() => engine.reserve(31)).toThrow(/fit/);
});

test('what a sequence is given does not depend on its device, nor on what is on the others', async () => {
  const { engine, models } = two();
  const alone = standInEngine().engine;
  const expected = await alone.step([part(alone.reserve(9), 3, 4)]);
  const sequences = [engine.reserve(9), engine.reserve(9), engine.reserve(9)];
  expect(await engine.step(sequences.map((sequence) => part(sequence, 3, 4)))).toEqual([
    expected[0],
    expected[0],
    expected[0],
  ]);
  expect(models.map(({ steps }) => steps)).toEqual([[[2, 2]], [[2]]]);
});

test('after an error of one device no sequence of any has changed', async () => {
  const { engine, models } = two();
  const sequences = [engine.reserve(9), engine.reserve(9)];
  models[1]!.failure = new Error('lost');
  await expect(engine.step(sequences.map((sequence) => part(sequence, 3, 4)))).rejects.toThrow('lost');
  expect(sequences.map((sequence) => sequence!.length)).toEqual([0, 0]);
  models[1]!.failure = undefined;
  const [a, b] = await engine.step(sequences.map((sequence) => part(sequence, 3, 4)));
  expect(a).toEqual(b);
});

test('a scheduler spreads its texts over the devices, steps them at the same time, and what one fails with ends its own', async () => {
  const { engine, models } = two();
  const limits = { maxSequences: 8, prefillTokens: 64, mixedPrefillTokens: 64 };
  const scheduler = new Scheduler(() => engine, limits);
  const job = (id: number) => ({
    id,
    model: 0,
    prompt: Uint32Array.of(5),
    maxTokens: 3,
    endTokens: [],
    sampling: {},
  });
  for (let id = 0; id < 4; id++) scheduler.submit(job(id));
  const events: JobEvent[] = [...(await scheduler.step()).events];
  expect(models.map(({ steps }) => steps.map(({ length }) => length))).toEqual([[2], [2]]);
  models[0]!.failure = new Error('lost');
  while (!scheduler.idle) events.push(...(await scheduler.step()).events);
  const failed = events.filter((event) => 'error' in event).map((event) => event.job);
  const ended = events
    .filter((event) => 'finish' in event && event.finish !== undefined)
    .map((event) => event.job);
  expect([failed.length, ended.length]).toEqual([2, 2]);
  expect(new Set([...failed, ...ended]).size).toBe(4);
  expect(engine.freePages()).toBe(200);
});

test('a step that a device takes does not keep the others waiting', async () => {
  const { engine, models } = two();
  const begun: number[] = [];
  let bothBegan: () => void = () => undefined;
  const both = new Promise<void>((resolve) => (bothBegan = resolve));
  for (const [i, model] of models.entries()) {
    const run = model.run.bind(model);
    model.run = async (parts, signal) => {
      begun.push(i);
      if (begun.length === 2) bothBegan();
      await both;
      return run(parts, signal);
    };
  }
  await engine.step([engine.reserve(4), engine.reserve(4)].map((sequence) => part(sequence, 1)));
  expect(begun).toEqual([0, 1]);
});
