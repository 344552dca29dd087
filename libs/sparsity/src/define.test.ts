import { channelAmplitude } from '@esparse/statistics';
import { z } from 'zod';
import {
  configurePipeline,
  defineBlockStage,
  defineMetric,
  definePipeline,
  defineShuffle,
  defineStage,
  describeOptions,
  magnitude,
  none,
  type OptionsSchema,
} from './index.ts';

const powers = defineMetric({
  name: 'powers',
  version: 2,
  options: z.object({
    power: z.number().min(0).default(0.5).describe('of the amplitude'),
    side: z.enum(['in', 'out']).default('in'),
    floor: z.number().optional(),
  }),
  statistics: { amplitude: channelAmplitude },
  score: ({ statistics: { amplitude } }, { options: { power } }) =>
    Promise.resolve(amplitude.map((value) => value ** power)),
});

const input = {
  rows: 1,
  cols: 2,
  dtype: 'bf16' as const,
  weights: Uint16Array.of(1, 2),
  statistics: { amplitude: Float32Array.of(4, 9) },
};

test('what a definition makes says its name, version and options, defaults among them', async () => {
  expect(powers()).toMatchObject({ name: 'powers', version: 2, options: { power: 0.5, side: 'in' } });
  expect(powers({ power: 1 }).options).toEqual({ power: 1, side: 'in' });
  expect(await powers({ power: 1 }).score(input)).toEqual(Float32Array.of(4, 9));
  expect(await powers().score(input)).toEqual(Float32Array.of(2, 3));
  expect(none()).toMatchObject({ name: 'none', version: 1, options: {} });
});

test('an option that is not declared is refused with the name of the plug-in and those it has', () => {
  expect(() => powers({ pwoer: 1 } as object)).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: 'metric powers has no option pwoer',
      hint: 'its options are power, side, floor',
    }),
  );
  // @ts-expect-error it has no options
  expect(() => magnitude({ power: 1 })).toThrow(expect.objectContaining({ hint: 'it has no options' }));
});

test('an option out of range is refused with its value and what was expected', () => {
  expect(() => powers({ power: -1 })).toThrow('metric powers: power is -1: expected at least 0');
  expect(() => powers({ power: NaN })).toThrow('power is NaN');
  expect(() => powers({ side: 'up' as 'in' })).toThrow('side is "up"');
});

test('options that are made into something that is no JSON are refused: a fingerprint could not hold them', () => {
  const metric = defineMetric({
    name: 'dated',
    options: z.object({ since: z.string().transform((text) => new Date(text)) }),
    statistics: {},
    score: () => Promise.resolve(new Float32Array()),
  });
  expect(() => metric({ since: '2024' })).toThrow('the option since is made into something that is no JSON');
});

test('a name or a version that no plug-in may have is refused when it is defined', () => {
  const order = () => Promise.reject(new Error());
  for (const name of ['', 'With Spaces', 'a/b', 'x'.repeat(65)]) {
    expect(() => defineShuffle({ name, order })).toThrow('a shuffle is called');
  }
  expect(() => defineShuffle({ name: 'fine', version: 0.5, order })).toThrow('has the version 0.5');
});

test('a stage opens what it holds once, and releases it', async () => {
  const calls: string[] = [];
  const stage = defineStage({
    name: 'holds',
    open: () => ({ session: calls.push('opened') }),
    statistics: (_options, { session }) => (session > 0 ? { amplitude: channelAmplitude } : {}),
    run: (_input, { held }) => Promise.resolve(calls.push(`run ${held.session}`)).then(() => ({})),
    release: ({ session }) => Promise.resolve(calls.push(`released ${session}`)).then(() => undefined),
  })();
  const context = { note: () => undefined, progress: () => undefined };
  const linear = { ...input, pattern: { keep: 1, group: 2 }, permutation: Int32Array.of(0, 1) };
  for (let i = 0; i < 2; i++) await stage.run({ ...linear, mask: Uint8Array.of(1) }, context);
  await stage.release?.();
  expect(calls).toEqual(['opened', 'run 1', 'run 1', 'released 1']);
});

test('a plug-in says what it takes by its options, and nothing where it does not know', () => {
  const linear = { rows: 2, cols: 8, pattern: { keep: 2, group: 4 } };
  const options = z.object({ tries: z.int().default(3) });
  const order = () => Promise.reject(new Error());
  const run = () => Promise.resolve({});
  const shuffle = defineShuffle({
    name: 'tries',
    options,
    order,
    cost: ({ cols, pattern }, { options: { tries } }) => ({ bytes: tries * cols * pattern.group }),
  });
  expect(shuffle({ tries: 5 }).cost!(linear)).toEqual({ bytes: 160 });
  const stage = defineStage({
    name: 'tries',
    options,
    statistics: {},
    run,
    cost: ({ rows }, { options: { tries } }) => ({ flops: tries * rows }),
    heldCost: ({ taps, states }, { options: { tries } }) => ({ gathering: tries * states * taps.length }),
  })();
  expect(stage.cost!(linear)).toEqual({ flops: 6 });
  expect(stage.heldCost!({ taps: [8, 8], states: 2, seqlen: 4 })).toEqual({ gathering: 12 });
  for (const silent of [
    defineShuffle({ name: 'silent', order })(),
    defineStage({ name: 'silent', statistics: {}, run })(),
  ])
    expect(silent).not.toHaveProperty('cost');
});

test('a block stage says which states it needs and what it takes, by its options', async () => {
  const stage = defineBlockStage({
    name: 'steps',
    options: z.object({ steps: z.int().default(3) }),
    states: ({ steps }) => (steps > 0 ? 'both' : 'none'),
    run: (_input, { options: { steps } }) => Promise.resolve({ report: { steps } }),
    cost: ({ weights }, { options: { steps } }) => ({ flops: steps * weights }),
  });
  expect([stage().states, stage({ steps: 0 }).states]).toEqual(['both', 'none']);
  const block = { weights: 5, others: 0, values: 1, hidden: 1, sequences: 1, seqlen: 1 };
  expect(stage().cost!(block)).toEqual({ flops: 15 });
  expect(await stage({ steps: 7 }).run({} as never, {} as never)).toEqual({ report: { steps: 7 } });
  const silent = defineBlockStage({ name: 'silent', run: () => Promise.resolve({}) })();
  expect(silent).toMatchObject({ states: 'pruned', version: 1, options: {} });
  expect(silent).not.toHaveProperty('cost');
  expect(() => stage({ steps: 0.5 })).toThrow('block stage steps: steps is 0.5');
});

test('options are described by name, type, default and meaning', () => {
  const { options } = definePipeline({
    name: 'p',
    summary: '',
    options: z.object({
      power: z.number().default(1).describe('of it'),
      kind: z.enum(['a', 'b']),
      count: z.int().optional(),
    }),
    create: () => ({ metric: magnitude() }),
  });
  expect(describeOptions(options)).toEqual([
    { name: 'power', type: 'number', default: 1, description: 'of it' },
    { name: 'kind', type: 'a | b', required: true },
    { name: 'count', type: 'integer' },
  ]);
});

test('every pipeline has an option that turns the comparison of outputs off, and none declares another of that name', () => {
  const mine = (options: OptionsSchema) =>
    definePipeline({ name: 'mine', summary: '', options, create: () => ({ metric: magnitude() }) });
  const pipeline = mine(z.object({}));
  expect(configurePipeline(pipeline)).toMatchObject({ outputError: true, options: {} });
  expect(configurePipeline(pipeline, { outputError: false })).toMatchObject({
    outputError: false,
    options: {},
  });
  expect(() => configurePipeline(pipeline, { outputError: 1 })).toThrow('pipeline mine: outputError is 1');
  expect(() => mine(z.object({ outputError: z.number() }))).toThrow('declares the option outputError');
});

test('a pipeline with its options has a metric, a shuffle and stages, those left out being none', () => {
  const pipeline = definePipeline({
    name: 'mine',
    summary: 'one line',
    options: z.object({ power: z.number().default(1) }),
    create: ({ power }) => ({ metric: powers({ power }) }),
  });
  const { metric, shuffle, stages, options, version } = configurePipeline(pipeline, { power: 3 });
  expect([metric.options, shuffle.name, stages, options, version]).toEqual([
    { power: 3, side: 'in' },
    'none',
    [],
    { power: 3 },
    1,
  ]);
  expect(() => configurePipeline(pipeline, { alpha: 3 })).toThrow('pipeline mine has no option alpha');
});

test('plain objects of the same structure are parts as good as defined ones, and are checked', () => {
  const made = (parts: unknown) =>
    configurePipeline({
      name: 'plain',
      summary: '',
      create: () => parts as { metric: ReturnType<typeof magnitude> },
    });
  const metric = { name: 'plain', statistics: {}, score: () => Promise.resolve(new Float32Array()) };
  expect(made({ metric }).metric).toBe(metric);
  expect(() => made({})).toThrow('pipeline plain: its metric has no score()');
  expect(() => made(undefined)).toThrow('pipeline plain: create() gives undefined, expected { metric');
  expect(() => made(Promise.resolve({ metric: magnitude() }))).toThrow('create() gives a promise');
  expect(() => made({ metric: magnitude(), shufle: none() })).toThrow(
    'create() gives shufle, which is none of metric, shuffle, stages, blockStages',
  );
  expect(() => made({ metric, stages: 5 })).toThrow('pipeline plain: its stages are no list');
  expect(() => made({ metric: magnitude })).toThrow('its metric has no score()');
  const blockStage = { name: 'own', states: 'none', run: () => Promise.resolve({}) };
  expect(made({ metric, blockStages: [blockStage] }).blockStages).toEqual([blockStage]);
  expect(made({ metric }).blockStages).toEqual([]);
  expect(() => made({ metric, blockStages: 5 })).toThrow('its block stages are no list');
  expect(() => made({ metric, blockStages: [blockStage, { ...blockStage }] })).toThrow(
    'two block stages called own',
  );
  expect(() => made({ metric, blockStages: [{ ...blockStage, states: 'all' }] })).toThrow(
    'its block stage own does not say which states it needs',
  );
  expect(() => made({ metric, blockStages: [{}] })).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('defineBlockStage') }),
  );
  expect(() => made({ metric, shuffle: {} })).toThrow('its shuffle has no order()');
  expect(() => made({ metric, stages: [none()] })).toThrow('its stage has no run()');
  expect(() => made({ metric: { ...metric, name: 'No Name' } })).toThrow('a metric is called "No Name"');
  expect(() => made({ metric: { ...metric, statistics: undefined } })).toThrow('which statistics it needs');
  const stage = { name: 'twice', statistics: {}, run: () => Promise.resolve({}) };
  expect(() => made({ metric, stages: [stage, { ...stage }] })).toThrow('two stages called twice');
});

test('what create() throws is an error of the pipeline, with the options that it has', () => {
  const failing = definePipeline({
    name: 'failing',
    summary: '',
    options: z.object({ power: z.number().default(1), own: z.boolean().default(false) }),
    create({ power, own }) {
      if (own) throw new TypeError('no luck');
      return { metric: powers({ power }) };
    },
  });
  const options = 'the options of pipeline failing are power, own';
  expect(() => configurePipeline(failing, { own: true })).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: 'pipeline failing: no luck',
      hint: expect.stringMatching(new RegExp(`^at .*define\\.test.*; ${options}$`)),
    }),
  );
  expect(() => configurePipeline(failing, { power: -1 })).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: expect.stringMatching(/^pipeline failing: metric powers: power is -1/),
      hint: expect.stringContaining(options),
    }),
  );
});

test('what is typed wrongly does not compile', () => {
  const scores = Promise.resolve(new Float32Array());
  defineMetric({
    name: 'asks-too-much',
    statistics: { amplitude: channelAmplitude },
    score: ({ statistics }) => {
      // @ts-expect-error it did not say that it needs the entropy
      const { entropy } = statistics;
      return scores.then((made) => made.fill(Number(entropy)));
    },
  });
  defineMetric({
    name: 'wrong-result',
    statistics: {},
    // @ts-expect-error scores are f32
    score: () => Promise.resolve([1, 2]),
  });
  defineMetric({
    name: 'wrong-reading',
    statistics: { amplitude: channelAmplitude },
    score: ({ statistics }) => {
      // @ts-expect-error an amplitude is f32 (channels)
      const amplitude: string = statistics.amplitude;
      return scores.then((none) => (amplitude === '' ? none : none));
    },
  });
  defineMetric({
    name: 'wrong-option',
    options: z.object({ power: z.number() }),
    statistics: {},
    // @ts-expect-error it has no option alpha
    score: (_input, { options }) => scores.then(() => new Float32Array(options.alpha)),
  });
  defineStage({
    name: 'wrong-weights',
    statistics: {},
    // @ts-expect-error weights are the bits of 16-bit floats
    run: () => Promise.resolve({ weights: new Float32Array(1) }),
  });
  defineStage({
    name: 'asks-too-much',
    statistics: { amplitude: channelAmplitude },
    run: ({ statistics }) => {
      // @ts-expect-error it did not say that it needs the Hessian
      const { hessian } = statistics;
      return Promise.resolve({ mask: Uint8Array.of(Number(hessian)) });
    },
  });
  // @ts-expect-error an order is a result of permutation and kept scores
  defineShuffle({ name: 'wrong-order', order: () => Promise.resolve(Int32Array.of(0)) });
  // @ts-expect-error a pipeline makes a metric
  definePipeline({ name: 'no-metric', summary: '', create: () => ({}) });
  // @ts-expect-error a stage is no metric
  definePipeline({ name: 'wrong-metric', summary: '', create: () => ({ metric: none() }) });
  // @ts-expect-error powers has no option alpha
  expect(() => powers({ alpha: 1 })).toThrow();
});
