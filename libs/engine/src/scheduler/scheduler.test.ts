import fc from 'fast-check';
import { topLogprobs } from '../sampling/log-probabilities.ts';
import { standInEngine, standInLogits } from '../testing/stand-in-backend.ts';
import type { Job, JobEvent } from './job.ts';
import { Scheduler, type SchedulerLimits, type StepResult } from './scheduler.ts';

const VOCAB = 50;

/** A scheduler on a stand-in of so many tokens of memory. */
function onStandIn(memory = 10_000, limits: Partial<SchedulerLimits> = {}) {
  const { engine, model } = standInEngine({ vocab: VOCAB, pages: memory });
  const scheduler = new Scheduler(() => engine, {
    maxSequences: 4,
    prefillTokens: 16,
    mixedPrefillTokens: 8,
    ...limits,
  });
  return { scheduler, engine, model };
}

const schedulerOf = (memory?: number, limits?: Partial<SchedulerLimits>) =>
  onStandIn(memory, limits).scheduler;

const job = (id: number, promptLength: number, maxTokens: number, more: Partial<Job> = {}): Job => ({
  id,
  model: 0,
  prompt: Uint32Array.from({ length: promptLength }, (_, i) => (i * 7 + id) % VOCAB),
  maxTokens,
  endTokens: [],
  sampling: { temperature: 1, seed: id },
  ...more,
});

/** Steps until nothing is left. */
async function finish(scheduler: Scheduler): Promise<StepResult[]> {
  const results: StepResult[] = [];
  while (!scheduler.idle) {
    results.push(await scheduler.step());
    expect(results.length).toBeLessThan(10_000);
  }
  return results;
}

async function run(scheduler: Scheduler, one: Job): Promise<StepResult[]> {
  scheduler.submit(one);
  return finish(scheduler);
}

function textOf(results: readonly StepResult[], id: number): JobEvent[] {
  return results.flatMap(({ events }) => events).filter((event) => event.job === id);
}

const jobs = fc.array(
  fc.record({ prompt: fc.integer({ min: 1, max: 60 }), max: fc.integer({ min: 1, max: 20 }) }),
  {
    minLength: 1,
    maxLength: 12,
  },
);

test('a text is the same alone and in any batch, whatever comes before, beside and after it', async () => {
  await fc.assert(
    fc.asyncProperty(jobs, fc.array(fc.nat(3), { maxLength: 12 }), async (shapes, gaps) => {
      const all = shapes.map(({ prompt, max }, id) => job(id, prompt, max, { endTokens: [3] }));
      const together = schedulerOf();
      const results: StepResult[] = [];
      for (const [i, one] of all.entries()) {
        together.submit(one);
        for (let step = 0; step < (gaps[i] ?? 0); step++) results.push(await together.step());
      }
      results.push(...(await finish(together)));
      for (const one of all) {
        expect(textOf(results, one.id)).toEqual(textOf(await run(schedulerOf(), one), one.id));
      }
    }),
    { seed: 1, numRuns: 40 },
  );
});

test('the scores of a prompt are those of its tokens by themselves, in any batch and however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      jobs,
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      async (shapes, generates, prefillTokens) => {
        const all = shapes.map(({ prompt, max }, id) =>
          job(id, prompt, generates[id] === true ? max : 0, {
            scoresPrompt: true,
            sampling: { logprobs: 2 },
          }),
        );
        const { scheduler, engine } = onStandIn(10_000, { prefillTokens, mixedPrefillTokens: 3 });
        for (const one of all) scheduler.submit(one);
        const results = await finish(scheduler);
        for (const { id, prompt, maxTokens } of all) {
          const given = textOf(results, id);
          const scores = given.flatMap((event) => ('prompt' in event ? (event.prompt ?? []) : []));
          const logits = [...prompt.slice(1).keys()].map((i) =>
            standInLogits(hashOf(prompt.subarray(0, i + 1)), VOCAB),
          );
          expect(scores).toEqual(logits.map((row, i) => topLogprobs(row, prompt[i + 1]!, 2)));
          expect(given.filter((event) => 'token' in event)).toHaveLength(maxTokens);
          expect(given.at(-1)).toMatchObject({ finish: 'length' });
        }
        expect(engine.freePages()).toBe(engine.pages);
      },
    ),
    { seed: 1, numRuns: 20 },
  );
});

test('logits of scored prompts are bounded in a step: of a large vocabulary few tokens are scored at once', async () => {
  // 32 MiB hold four rows.
  const vocab = 2 ** 21;
  const rows: number[] = [];
  const engine = {
    description: { vocab } as never,
    replicaOf: () => 0,
    reserve: () => ({
      ...{ length: 0, capacity: 99, released: false },
      rewind: () => undefined,
      release: () => undefined,
    }),
    step: (parts: readonly { tokens: Uint32Array }[]) => {
      rows.push(parts.reduce((sum, { tokens }) => sum + tokens.length, 0));
      return Promise.resolve(parts.map(({ tokens }) => new Float32Array(tokens.length * 4)));
    },
  };
  const scheduler = new Scheduler(() => engine as never, {
    maxSequences: 4,
    prefillTokens: 16,
    mixedPrefillTokens: 8,
  });
  for (const id of [0, 1]) {
    scheduler.submit({ ...job(id, 11, 0, { scoresPrompt: true }), prompt: new Uint32Array(11) });
  }
  await finish(scheduler);
  expect(rows.reduce((a, b) => a + b)).toBe(20);
  expect(Math.max(...rows)).toBe(4);
});

/** As the stand-in hashes tokens. */
function hashOf(tokens: Uint32Array): number {
  return tokens.reduce((hash, token) => (hash * 31 + token) % 9973, 7);
}

test('never more sequences than allowed, nor more prefill tokens in a step, and all memory comes back', async () => {
  await fc.assert(
    fc.asyncProperty(jobs, async (shapes) => {
      const { scheduler, engine } = onStandIn(160);
      shapes.forEach(({ prompt, max }, id) => {
        scheduler.submit(job(id, prompt, max));
      });
      for (const { batch, prefillTokens, events } of await finish(scheduler)) {
        expect(batch).toBeLessThanOrEqual(4);
        expect(prefillTokens).toBeLessThanOrEqual(16);
        for (const event of events) expect(event).not.toHaveProperty('error');
      }
      expect(engine.freePages()).toBe(160);
    }),
    { seed: 2, numRuns: 40 },
  );
});

test('a sequence that decodes gets a token in every step, however long the prompts beside it', async () => {
  const scheduler = schedulerOf();
  scheduler.submit(job(0, 4, 20));
  await scheduler.step();
  scheduler.submit(job(1, 500, 5));
  scheduler.submit(job(2, 500, 5));
  for (let step = 0; step < 19; step++) {
    const { events, prefillTokens } = await scheduler.step();
    expect(events.filter((event) => event.job === 0)).toHaveLength(1);
    expect(prefillTokens).toBe(8);
  }
});

test('a short prompt behind a long one waits a few steps, not for all of it', async () => {
  const scheduler = schedulerOf();
  scheduler.submit(job(0, 1000, 1));
  scheduler.submit(job(1, 20, 1));
  const results = [await scheduler.step(), await scheduler.step(), await scheduler.step()];
  expect(textOf(results, 1)).toHaveLength(1);
});

test('jobs start in the order in which they came, and one that does not fit yet is not overtaken', async () => {
  const scheduler = schedulerOf(100);
  scheduler.submit(job(0, 50, 10));
  scheduler.submit(job(1, 60, 10));
  scheduler.submit(job(2, 5, 1));
  const started = (await finish(scheduler)).flatMap((result) => result.started);
  expect(started).toEqual([0, 1, 2]);
});

test('a job that is cancelled, queued or running, takes part in no further step and its memory is free', async () => {
  const { scheduler, engine } = onStandIn(10_000, { maxSequences: 1 });
  scheduler.submit(job(0, 5, 50));
  scheduler.submit(job(1, 5, 50));
  scheduler.submit(job(2, 5, 2));
  await scheduler.step();
  scheduler.cancel(0);
  scheduler.cancel(1);
  expect(engine.freePages()).toBe(10_000);
  const result = await scheduler.step();
  expect(result.started).toEqual([2]);
  expect(result.events.map((event) => event.job)).toEqual([2]);
  scheduler.cancel(99);
});

test('nothing comes of a job that is cancelled during a step, and its memory is free when the step ends', async () => {
  const { scheduler, engine } = onStandIn();
  scheduler.submit(job(0, 5, 50));
  scheduler.submit(job(1, 5, 50));
  const step = scheduler.step();
  scheduler.cancel(0);
  expect(engine.freePages()).toBe(10_000 - 2 * 55);
  const { events } = await step;
  expect(events.map((event) => event.job)).toEqual([1]);
  expect(engine.freePages()).toBe(10_000 - 55);
});

test('the token that ends a text is no part of it, and max_tokens ends it at its last token', async () => {
  const first = textOf(await run(schedulerOf(), job(0, 3, 5)), 0)[0] as { token: number };
  const results = await run(schedulerOf(), job(0, 3, 5, { endTokens: [first.token] }));
  expect(textOf(results, 0)).toEqual([{ job: 0, finish: 'stop' }]);
  const events = textOf(await run(schedulerOf(), job(0, 3, 5)), 0);
  expect(events.map((event) => ('finish' in event ? event.finish : 'error'))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    'length',
  ]);
});

test('a step that fails ends the jobs that took part with an error, and the next jobs run', async () => {
  const { scheduler, engine, model } = onStandIn();
  scheduler.submit(job(0, 5, 5));
  scheduler.submit(job(1, 5, 5));
  await scheduler.step();
  model.failure = new Error('the engine broke');
  expect((await scheduler.step()).events).toEqual([
    { job: 0, error: 'the engine broke' },
    { job: 1, error: 'the engine broke' },
  ]);
  expect(engine.freePages()).toBe(10_000);
  model.failure = undefined;
  expect(textOf(await run(scheduler, job(2, 5, 5)), 2)).toHaveLength(5);
});

test('a step that is aborted ends the jobs that took part', async () => {
  const { scheduler, engine } = onStandIn();
  scheduler.submit(job(0, 5, 5));
  const { events } = await scheduler.step(AbortSignal.abort(new Error('the server is stopping')));
  expect(events).toEqual([{ job: 0, error: 'the server is stopping' }]);
  expect(engine.freePages()).toBe(10_000);
});

test('a job that can never fit, or asks for what cannot be, ends with an error and holds up no other', async () => {
  const scheduler = schedulerOf(20);
  scheduler.submit(job(0, 50, 5));
  scheduler.submit(job(1, 5, 1, { sampling: { temperature: -1 } }));
  scheduler.submit(job(2, 5, 1));
  const results = await finish(scheduler);
  expect(textOf(results, 0)).toMatchObject([{ error: expect.any(String) }]);
  expect(textOf(results, 1)).toMatchObject([{ error: expect.stringMatching(/temperature of -1/) }]);
  expect(textOf(results, 2)).toHaveLength(1);
});

test('log-probabilities are reported for jobs that ask for them, and for no others', async () => {
  const scheduler = schedulerOf();
  scheduler.submit(job(0, 5, 1, { sampling: { logprobs: 0 } }));
  scheduler.submit(job(1, 5, 1));
  const results = await finish(scheduler);
  expect(textOf(results, 0)).toMatchObject([{ logprob: { ids: [] } }]);
  expect(textOf(results, 1)).toMatchObject([{ logprob: undefined }]);
});
