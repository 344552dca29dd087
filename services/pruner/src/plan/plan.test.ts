import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describeModel } from '@esparse/model';
import { pipelineNamed } from '@esparse/pipelines';
import { configurePipeline, defineShuffle, defineStage, magnitude, parsePattern } from '@esparse/sparsity';
import { defineStatistic, readerOf, type Cost } from '@esparse/statistics';
import { resolveLayers } from '../layers.ts';
import { checkedReaders } from '../statistics.ts';
import { composePlan, keptReadings, planRun } from './plan.ts';
import type { PlanOptions, RunPlan } from './run-plan.ts';
import { storeBytesOf } from './store-bytes.ts';

/** Only its tokenizer is looked at. */
const MODEL = path.join(__dirname, '../../../../examples/models/llama-2m');
const RATES = { flops: 1e11, statistics: 1e-9, prune: 2e-8, read: 1e9, write: 5e8 };

/** LLaMA 7B. */
const DESCRIPTION = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_act: 'silu',
  rms_norm_eps: 1e-5,
  max_position_embeddings: 4096,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  vocab_size: 32000,
});

async function planOf({
  pipeline,
  ...where
}: Pick<PlanOptions, 'pipeline' | 'combine' | 'device'>): Promise<RunPlan> {
  const options: PlanOptions = {
    ...{ model: MODEL, pipeline, pattern: parsePattern('4:8'), samples: 128, seqlen: 2048 },
    ...{ workers: 4, ...where, skipIndivisible: false },
  };
  const layers = resolveLayers(DESCRIPTION, options);
  const shape = {
    checkpoint: { info: () => ({ dtype: 'BF16' as const }) },
    description: DESCRIPTION,
    layers,
    readings: keptReadings(pipeline),
  };
  return composePlan({
    options,
    description: DESCRIPTION,
    layers,
    readers: checkedReaders(pipeline, options),
    store: await storeBytesOf(MODEL, shape),
    weightBytes: 2,
    rates: RATES,
  });
}

const MEMORY = 'ESPARSE_HESSIAN_MEMORY';
afterEach(() => {
  Reflect.deleteProperty(process.env, MEMORY);
});

const PLANS = JSON.parse(readFileSync(path.join(__dirname, 'testing/plans-7b.json'), 'utf8')) as Record<
  string,
  object
>;

test.each(Object.keys(PLANS))('the plan of a 7B model with %s is the one on record', async (name) => {
  const [, pipeline, combine, gibibytes] = /^(\S+), combined in the (\w+), (\S+) GiB$/.exec(name)!;
  process.env[MEMORY] = gibibytes;
  const plan = await planOf({
    pipeline: configurePipeline(pipelineNamed(pipeline!)),
    combine: combine as 'pruner' | 'worker',
  });
  const { read, wire, written, memory, spilled, seconds, store } = plan;
  const { hidden, arrays } = store;
  expect({ read, wire, written, memory, spilled, seconds, hidden, arrays }).toEqual(PLANS[name]);
  expect(plan.uncounted).toEqual([]);
});

test('statistics are planned where the run would make them: on workers with GPUs, where these know them all', async () => {
  for (const name of ['sparsegpt', 'magnitude', 'e-sparse']) {
    const pipeline = configurePipeline(pipelineNamed(name));
    const onGpus = await planOf({ pipeline, device: 'cuda' });
    expect(onGpus.combine).toBe('worker');
    expect(onGpus).toEqual(await planOf({ pipeline, device: 'cuda', combine: 'worker' }));
    expect((await planOf({ pipeline, device: 'cuda', combine: 'pruner' })).combine).toBe('pruner');
    expect((await planOf({ pipeline })).combine).toBe('pruner');
  }
  expect((await planOf({ pipeline: pipelineOf({}), device: 'cuda' })).combine).toBe('pruner');
});

test('memory of a GPU is planned for a solver there, wherever blocks run', async () => {
  const options = {
    ...{ model: MODEL, pattern: parsePattern('2:4'), samples: 2, seqlen: 64, workers: 1, threads: 1 },
    ...{ pipeline: configurePipeline(pipelineNamed('sparsegpt')), skipIndivisible: false },
  };
  expect((await planRun({ ...options, solver: 'cuda' })).memory.gpu).toBeGreaterThan(2 ** 20);
  expect((await planRun(options)).memory).not.toHaveProperty('gpu');
});

/** A pipeline of plug-ins that say what they take, or do not. */
function pipelineOf(costs: { statistic?: Cost; stage?: Cost; held?: object; shuffle?: Cost }) {
  const { statistic, stage, held, shuffle } = costs;
  const count = defineStatistic({
    name: 'count',
    create: () => ({}),
    update: () => undefined,
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
    ...(statistic && { cost: () => statistic }),
  });
  const solve = defineStage({
    name: 'solve',
    statistics: { count: readerOf(count, () => 0) },
    run: () => Promise.resolve({}),
    ...(stage && { cost: () => stage }),
    ...(held && { heldCost: () => held }),
  });
  const reverse = defineShuffle({
    name: 'reverse',
    order: () => Promise.reject(new Error('not run')),
    ...(shuffle && { cost: () => shuffle }),
  });
  return configurePipeline({
    name: 'mine',
    summary: 'mine',
    create: () => ({ metric: magnitude(), shuffle: reverse(), stages: [solve()] }),
  });
}

test('statistics and stages that do not say what they take are named', async () => {
  expect((await planOf({ pipeline: pipelineOf({}) })).uncounted).toEqual(['count', 'solve']);
  const known = pipelineOf({ statistic: {}, stage: {} });
  expect((await planOf({ pipeline: known })).uncounted).toEqual([]);
});

test('what plug-ins say that they take is in the plan', async () => {
  const GIB = 2 ** 30;
  const without = await planOf({ pipeline: pipelineOf({}) });
  const linears = DESCRIPTION.blocks * DESCRIPTION.linears.length;
  const taps = DESCRIPTION.blocks * DESCRIPTION.taps.length;
  const of = async (costs: Parameters<typeof pipelineOf>[0]) => {
    const plan = await planOf({ pipeline: pipelineOf(costs) });
    return {
      bytes: plan.memory.pruner - without.memory.pruner,
      calibrate: plan.seconds.calibrate - without.seconds.calibrate,
      prune: plan.seconds.prune - without.seconds.prune,
      spilled: plan.spilled,
    };
  };
  const statistic = await of({ statistic: { bytes: GIB, flops: 1e11, seconds: 2 } });
  // Of four taps, and of the states of six shards at once, beside the room that every plan has for statistics.
  expect(statistic.bytes).toBeGreaterThan(20 * GIB);
  expect(statistic.calibrate).toBeCloseTo(128 * taps * 3, 3);
  const stage = await of({ stage: { bytes: 100 * GIB, flops: 1e11, seconds: 2 } });
  expect(stage.bytes).toBeGreaterThan(90 * GIB);
  expect(stage.prune).toBeCloseTo(linears * 3, 3);
  expect((await of({ shuffle: { bytes: 100 * GIB } })).bytes).toBeGreaterThan(90 * GIB);
  const held = await of({ held: { run: GIB, gathering: GIB, file: 7 } });
  expect(held.bytes).toBeCloseTo(1.05 * 2 * GIB, -1);
  expect(held.spilled).toBe(7);
});

test.each<[string, Cost | object, string]>([
  ['NaN', { bytes: NaN }, 'stage solve, cost(): its cost: bytes: '],
  ['less than nothing', { seconds: -1 }, 'stage solve, cost(): its cost: seconds: '],
  ['a misspelt name', { byte: 1 }, 'stage solve, cost(): its cost: '],
])('a cost that is %s is refused, naming the plug-in', async (_name, stage, message) => {
  await expect(planOf({ pipeline: pipelineOf({ stage }) })).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(message),
  });
});
