import { both, defineBlockStage, defineMetric, defineStage, magnitude, wanda } from '@esparse/sparsity';
import { runPipeline } from './index.ts';

/** Whether each weight is 0. */
const zeros = (weights: Uint16Array) => weights.filter((bits) => (bits & 0x7fff) === 0).length;

test.each(['bf16', 'f16'] as const)('half of the %s weights survive as they were', async (dtype) => {
  const { linears, notes } = await runPipeline({ metric: magnitude() }, { dtype });
  expect(linears.map(({ name }) => name)).toEqual(['q_proj', 'down_proj']);
  expect(notes).toEqual([]);
  for (const { weights, dense, keptBefore, keptAfter } of linears) {
    weights.forEach((bits, i) => {
      expect([0, dense[i]]).toContain(bits);
    });
    expect(zeros(weights) / weights.length).toBeCloseTo(0.5, 2);
    expect(keptAfter).toBe(keptBefore);
  }
});

test('activations reach the metric, and the shuffle raises the kept score: equal runs give equal weights', async () => {
  const run = () => runPipeline({ metric: wanda(), shuffle: both() }, { pattern: '4:8', seed: 3 });
  const { linears } = await run();
  for (const { keptBefore, keptAfter } of linears) expect(keptAfter).toBeGreaterThan(keptBefore);
  expect((await run()).linears).toEqual(linears);
  const [plain] = (await runPipeline({ metric: magnitude() }, { pattern: '4:8', seed: 3 })).linears;
  expect(plain!.dense).toEqual(linears[0]!.dense);
  expect(plain!.weights).not.toEqual(linears[0]!.weights);
});

test('stages run in their order, and their notes are returned', async () => {
  const negate = defineStage({
    name: 'negate',
    statistics: {},
    run({ weights }, { note }) {
      note('turned');
      return Promise.resolve({ weights: weights.map((bits) => bits ^ 0x8000) });
    },
  });
  const linears = [{ name: 'one', rows: 2, cols: 8 }];
  const {
    linears: [linear],
    notes,
  } = await runPipeline({ metric: magnitude(), stages: [negate()] }, { linears });
  linear!.weights.forEach((bits, i) => {
    expect([0, linear!.dense[i]! ^ 0x8000]).toContain(bits);
  });
  expect(notes).toEqual([expect.stringContaining('one: negate: turned')]);
});

test('block stages get the block that is pruned, and what they change and find comes back', async () => {
  const doubled = defineBlockStage({
    name: 'doubled',
    states: 'both',
    async run({ linears: [linear], tensors: [norm], states, sequences }, { tune }) {
      let seen = 0;
      let drift = 0;
      for await (const { output, dense } of states()) {
        seen++;
        drift = Math.max(drift, Math.abs(output[0]! - dense![0]!));
      }
      const { report } = await tune({ steps: 2, learningRate: 0, batch: 1, dense: 0, heldOut: 0 });
      // A sign more doubles nothing, and shows.
      const weights = (await linear!.weights()).map((bits) => bits ^ 0x8000);
      const values = await norm!.values();
      return {
        weights: { [linear!.name]: weights },
        tensors: { [norm!.slot]: values.map((value) => 2 * value) },
        report: { seen, all: sequences, drifts: drift > 0 ? 'yes' : 'no', steps: report.steps! },
      };
    },
  });
  const plain = await runPipeline({ metric: magnitude() });
  const { linears, norm, reports } = await runPipeline({ metric: magnitude(), blockStages: [doubled()] });
  expect(reports).toEqual([{ stage: 'doubled', report: { seen: 4, all: 4, drifts: 'yes', steps: 2 } }]);
  expect(norm).toEqual(plain.norm.map((value) => 2 * value));
  expect(linears[0]!.weights).toEqual(
    plain.linears[0]!.weights.map((bits) => (bits === 0 ? 0 : bits ^ 0x8000)),
  );
  expect(linears[1]).toEqual(plain.linears[1]);
});

test('an error of a plug-in is thrown', async () => {
  const broken = defineMetric({
    name: 'broken',
    statistics: {},
    score: () => Promise.reject(new Error('no score')),
  });
  await expect(runPipeline({ metric: broken() })).rejects.toThrow('no score');
});
