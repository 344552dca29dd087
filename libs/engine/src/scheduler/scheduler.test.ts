import fc from 'fast-check';
import type { Job, JobEvent } from './job.ts';
import { Scheduler, type StepEngine, type StepResult } from './scheduler.ts';
import { shares } from './shares.ts';

const VOCAB = 50;

/** A sequence of the stand-in engine: what it has read. */
interface Sequence {
  readonly tokens: number[];
  readonly reserved: number;
  released: boolean;
  release(): void;
}

/** An engine of so many tokens of memory whose next token is a function of all tokens before. */
function standInEngine(memory = 10_000) {
  const steps: number[][] = [];
  const engine = {
    free: memory,
    steps,
    fails: false,
    reserve(tokens: number): Sequence | undefined {
      if (tokens > engine.free) return undefined;
      engine.free -= tokens;
      const sequence: Sequence = {
        tokens: [],
        reserved: tokens,
        released: false,
        release() {
          expect(sequence.released).toBe(false);
          sequence.released = true;
          engine.free += tokens;
        },
      };
      return sequence;
    },
    step(parts: Parameters<StepEngine<Sequence>['step']>[0]) {
      if (engine.fails) throw new Error('the engine broke');
      steps.push(parts.map(({ tokens }) => tokens.length));
      return parts.map(({ sequence, tokens, logits }) => {
        expect(sequence.released).toBe(false);
        sequence.tokens.push(...tokens);
        expect(sequence.tokens.length).toBeLessThanOrEqual(sequence.reserved);
        if (logits === 'none') return new Float32Array(0);
        return Float32Array.of(sequence.tokens.reduce((hash, token) => (hash * 31 + token) % 9973, 7));
      });
    },
  };
  return engine;
}

function schedulerOn(engine: StepEngine<Sequence>, limits = {}) {
  return new Scheduler<Sequence>(
    {
      engine: () => engine,
      sampler: ({ seed }) => ({ sample: (logits) => (logits[0]! + seed) % VOCAB }),
      logprob: (logits) => ({ logprob: logits[0]!, ids: [], logprobs: [] }),
    },
    { maxSequences: 4, promptTokens: 16, mixedPromptTokens: 8, ...limits },
  );
}

const job = (id: number, promptLength: number, maxTokens: number, more: Partial<Job> = {}): Job => ({
  id,
  model: 0,
  prompt: Uint32Array.from({ length: promptLength }, (_, i) => (i * 7 + id) % VOCAB),
  maxTokens,
  endTokens: [],
  sampling: { temperature: 0, topP: 1, topK: 0, seed: id },
  logprobs: undefined,
  ...more,
});

/** Steps until nothing is left. */
function finish(scheduler: Scheduler<Sequence>): StepResult[] {
  const results: StepResult[] = [];
  while (!scheduler.idle) {
    results.push(scheduler.step());
    expect(results.length).toBeLessThan(10_000);
  }
  return results;
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

test('a text is the same alone and in any batch, whatever comes before, beside and after it', () => {
  fc.assert(
    fc.property(jobs, fc.array(fc.nat(3), { maxLength: 12 }), (shapes, gaps) => {
      const all = shapes.map(({ prompt, max }, id) => job(id, prompt, max, { endTokens: [3] }));
      const together = schedulerOn(standInEngine());
      const results: StepResult[] = [];
      all.forEach((one, i) => {
        together.submit(one);
        for (let step = 0; step < (gaps[i] ?? 0); step++) results.push(together.step());
      });
      results.push(...finish(together));
      for (const one of all) {
        const alone = schedulerOn(standInEngine());
        alone.submit(one);
        expect(textOf(results, one.id)).toEqual(textOf(finish(alone), one.id));
      }
    }),
    { seed: 1, numRuns: 40 },
  );
});

test('never more sequences than allowed, nor more prompt tokens in a step, and all memory comes back', () => {
  fc.assert(
    fc.property(jobs, (shapes) => {
      const engine = standInEngine(160);
      const scheduler = schedulerOn(engine);
      shapes.forEach(({ prompt, max }, id) => {
        scheduler.submit(job(id, prompt, max));
      });
      for (const { batch, promptTokens, events } of finish(scheduler)) {
        expect(batch).toBeLessThanOrEqual(4);
        expect(promptTokens).toBeLessThanOrEqual(16);
        for (const event of events) expect(event).not.toHaveProperty('error');
      }
      expect(engine.free).toBe(160);
    }),
    { seed: 2, numRuns: 40 },
  );
});

test('a sequence that generates gets a token in every step, however long the prompts beside it', () => {
  const scheduler = schedulerOn(standInEngine());
  scheduler.submit(job(0, 4, 20));
  scheduler.step();
  scheduler.submit(job(1, 500, 5));
  scheduler.submit(job(2, 500, 5));
  for (let step = 0; step < 19; step++) {
    const { events, promptTokens } = scheduler.step();
    expect(events.filter((event) => event.job === 0)).toHaveLength(1);
    expect(promptTokens).toBe(8);
  }
});

test('a short prompt behind a long one waits a few steps, not for all of it', () => {
  const scheduler = schedulerOn(standInEngine());
  scheduler.submit(job(0, 1000, 1));
  scheduler.submit(job(1, 20, 1));
  const results = [scheduler.step(), scheduler.step(), scheduler.step()];
  expect(textOf(results, 1)).toHaveLength(1);
});

test('shares are at most what each has, all of the budget where there is so much, and equal where it binds', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 10 }),
      fc.nat(200),
      (remaining, budget) => {
        const given = shares(remaining, budget);
        const sum = given.reduce((total, share) => total + share, 0);
        expect(sum).toBe(
          Math.min(
            budget,
            remaining.reduce((total, tokens) => total + tokens, 0),
          ),
        );
        const most = Math.max(0, ...given);
        given.forEach((share, i) => {
          expect(share).toBeLessThanOrEqual(remaining[i]!);
          if (share < remaining[i]!) expect(share).toBeGreaterThanOrEqual(most - 1);
        });
      },
    ),
    { seed: 3 },
  );
});

test('jobs start in the order in which they came, and one that does not fit yet is not overtaken', () => {
  const scheduler = schedulerOn(standInEngine(100));
  scheduler.submit(job(0, 50, 10));
  scheduler.submit(job(1, 60, 10));
  scheduler.submit(job(2, 5, 1));
  const started = finish(scheduler).flatMap((result) => result.started);
  expect(started).toEqual([0, 1, 2]);
});

test('a job that is cancelled, queued or running, is gone before the next step and its memory is free', () => {
  const engine = standInEngine();
  const scheduler = schedulerOn(engine, { maxSequences: 1 });
  scheduler.submit(job(0, 5, 50));
  scheduler.submit(job(1, 5, 50));
  scheduler.submit(job(2, 5, 2));
  scheduler.step();
  scheduler.cancel(0);
  scheduler.cancel(1);
  expect(engine.free).toBe(10_000);
  const result = scheduler.step();
  expect(result.started).toEqual([2]);
  expect(result.events.map((event) => event.job)).toEqual([2]);
  scheduler.cancel(99);
});

test('the token that ends a text is no part of it, and max_tokens ends it at its last token', () => {
  const end = schedulerOn(standInEngine());
  const first = textOf(run(end, job(0, 3, 5)), 0)[0] as { token: number };
  const results = run(schedulerOn(standInEngine()), job(0, 3, 5, { endTokens: [first.token] }));
  expect(textOf(results, 0)).toEqual([{ job: 0, finish: 'stop' }]);
  const events = textOf(run(schedulerOn(standInEngine()), job(0, 3, 5)), 0);
  expect(events.map((event) => ('finish' in event ? event.finish : 'error'))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    'length',
  ]);
});

function run(scheduler: Scheduler<Sequence>, one: Job): StepResult[] {
  scheduler.submit(one);
  return finish(scheduler);
}

test('a step that fails ends the jobs that took part with an error, and the next jobs run', () => {
  const engine = standInEngine();
  const scheduler = schedulerOn(engine);
  scheduler.submit(job(0, 5, 5));
  scheduler.submit(job(1, 5, 5));
  scheduler.step();
  engine.fails = true;
  expect(scheduler.step().events).toEqual([
    { job: 0, error: 'the engine broke' },
    { job: 1, error: 'the engine broke' },
  ]);
  expect(engine.free).toBe(10_000);
  engine.fails = false;
  expect(textOf(run(scheduler, job(2, 5, 5)), 2)).toHaveLength(5);
});

test('a job that can never fit ends with an error instead of holding up the queue', () => {
  const scheduler = schedulerOn(standInEngine(20));
  scheduler.submit(job(0, 50, 5));
  scheduler.submit(job(1, 5, 1));
  const results = finish(scheduler);
  expect(textOf(results, 0)).toMatchObject([{ error: expect.any(String) }]);
  expect(textOf(results, 1)).toHaveLength(1);
});

test('probabilities are told for jobs that ask for them, and for no others', () => {
  const scheduler = schedulerOn(standInEngine());
  scheduler.submit(job(0, 5, 1, { logprobs: 0 }));
  scheduler.submit(job(1, 5, 1));
  const results = finish(scheduler);
  expect(textOf(results, 0)).toMatchObject([{ logprob: { ids: [] } }]);
  expect(textOf(results, 1)).toMatchObject([{ logprob: undefined }]);
});
