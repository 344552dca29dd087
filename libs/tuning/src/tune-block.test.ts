import { narrow, widenReference } from '@esparse/kernels';
import { tinyLlama, uniform } from '@esparse/laws';
import { describeModel, linearsOf, weightSlot } from '@esparse/model';
import { createBlockRunner } from '@esparse/onnx';
import type { TuningBackend } from './backend.ts';
import { onnxTuning } from './onnx-backend.ts';
import { createRounding } from './round-through.ts';
import { tuneBlock, type TuneBlockOptions, type TunedParameter } from './tune-block.ts';

const SEQLEN = 32;
const SEQUENCES = 80;

/** A block of a small LLaMA, a fourth of whose weights are pruned; its target is what it gave before. */
async function prunedBlock(): Promise<TuneBlockOptions> {
  const { config, weights } = tinyLlama({ hidden_size: 16, intermediate_size: 24, head_dim: 4 });
  const description = describeModel(config);
  const random = uniform(1, -1, 1);
  const inputs = Array.from({ length: SEQUENCES }, () =>
    Float32Array.from({ length: SEQLEN * description.hidden }, random),
  );
  const runner = await createBlockRunner(description, { seqlen: SEQLEN, threads: 1 });
  const dense = await runner.load(0, weights);
  const targets: Float32Array[] = [];
  for (const input of inputs) targets.push(await dense.advance(input));
  await runner.release();
  const parameters = new Map<string, TunedParameter>();
  for (const { name, weight, cols } of linearsOf(description, 0)) {
    const values = await weights.read(weight(0));
    const mask = Uint8Array.from(values, (_, i) => (((i % cols) + Math.floor(i / cols)) % 4 === 0 ? 0 : 1));
    parameters.set(weightSlot(name), { values, mask, dtype: 'bf16' });
  }
  for (const { slot, name } of description.blockTensors(0)) {
    parameters.set(slot, { values: await weights.read(name), dtype: 'f16' });
  }
  return {
    description,
    block: 0,
    parameters,
    sequences: SEQUENCES,
    seqlen: SEQLEN,
    inputs: (sequence) => Promise.resolve(inputs[sequence]!),
    targets: (sequence) => Promise.resolve(targets[sequence]!),
    options: { steps: 60, batch: 8, learningRate: 5e-3 },
    seed: 3,
    backend: onnxTuning({ threads: 1 }),
  };
}

let block: TuneBlockOptions;
beforeAll(async () => {
  block = await prunedBlock();
});

/** What comes back where nothing is learnt: the survivors, unrounded. */
function asGiven(): Map<string, Float32Array> {
  return new Map(
    [...block.parameters].map(([slot, { values, mask }]) => [
      slot,
      mask === undefined ? values : values.map((value, i) => (mask[i] === 1 ? value : 0)),
    ]),
  );
}

test('the output comes nearer to the target, on sequences that were not tuned on too; masks are kept, values rounded', async () => {
  const { parameters, report } = await tuneBlock(block);
  expect(report).toMatchObject({ steps: 60, stopped: 'done' });
  expect(report.lossAfter).toBeLessThan(0.8 * report.lossBefore);
  expect(report.heldOutAfter).toBeLessThan(0.8 * report.heldOutBefore);
  expect([...parameters.keys()]).toEqual([...block.parameters.keys()]);
  for (const [slot, values] of parameters) {
    const { mask, dtype, values: before } = block.parameters.get(slot)!;
    expect(values).not.toEqual(before);
    if (dtype !== 'f32') expect(values).toEqual(widenReference(dtype, narrow(dtype, values)));
    expect(values.every((value, i) => (mask?.[i] ?? 1) === 1 || value === 0)).toBe(true);
  }
});

test('of weights that will be integers, these come nearer to the target, and the losses are theirs', async () => {
  const parameters = new Map(
    [...block.parameters].map(([slot, parameter]) => {
      const { mask } = parameter;
      const cols = linearsOf(block.description, 0).find(({ name }) => weightSlot(name) === slot)?.cols;
      if (mask === undefined || cols === undefined) return [slot, parameter];
      const permutation = Int32Array.from({ length: cols }, (_, i) => i);
      return [slot, { ...parameter, rounding: { bits: 4 as const, positions: 8, permutation } }];
    }),
  );
  const tuned = await tuneBlock({ ...block, parameters });
  expect(tuned.report.heldOutAfter).toBeLessThan(0.85 * tuned.report.heldOutBefore);
  const stored = createRounding(parameters)(tuned.parameters);
  const fixed = new Map([...stored].map(([slot, values]) => [slot, { values, dtype: 'f32' as const }]));
  const after = await tuneBlock({ ...block, parameters: fixed, options: { steps: 0 } });
  expect(after.report.heldOutBefore).toBe(tuned.report.heldOutAfter);
  // What is tuned without them loses more when it is rounded afterwards.
  const floats = await tuneBlock(block);
  const rounded = createRounding(parameters)(floats.parameters);
  const late = new Map([...rounded].map(([slot, values]) => [slot, { values, dtype: 'f32' as const }]));
  const { report } = await tuneBlock({ ...block, parameters: late, options: { steps: 0 } });
  expect(tuned.report.heldOutAfter).toBeLessThan(report.heldOutBefore);
});

test('so do those of a block of which nothing is pruned', async () => {
  const parameters = new Map(
    [...block.parameters].map(([slot, { values, dtype }]): [string, TunedParameter] => {
      const cols = linearsOf(block.description, 0).find(({ name }) => weightSlot(name) === slot)?.cols;
      if (cols === undefined) return [slot, { values, dtype }];
      const permutation = Int32Array.from({ length: cols }, (_, i) => i);
      return [slot, { values, dtype, rounding: { bits: 3, positions: 8, permutation } }];
    }),
  );
  const { report, parameters: tuned } = await tuneBlock({
    ...{ ...block, parameters },
    options: { ...block.options, learningRate: 1e-3 },
  });
  expect(report.heldOutAfter).toBeLessThan(0.85 * report.heldOutBefore);
  expect([...tuned.keys()]).toEqual([...parameters.keys()]);
});

test('equal calls give equal bits, whatever the threads; another seed gives others', async () => {
  const few = { ...block, options: { ...block.options, steps: 5 } };
  const [one, two, other] = [
    await tuneBlock(few),
    await tuneBlock({ ...few, backend: onnxTuning({ threads: 2 }) }),
    await tuneBlock({ ...few, seed: 4 }),
  ];
  expect(two).toEqual(one);
  expect(other.parameters).not.toEqual(one.parameters);
});

test('a parameter that is fixed is not changed, and others are', async () => {
  const parameters = new Map(
    [...block.parameters].map(([slot, value]) => [slot, { ...value, fixed: value.mask === undefined }]),
  );
  const tuned = await tuneBlock({ ...block, parameters, options: { ...block.options, steps: 5 } });
  expect([...tuned.parameters.keys()]).toEqual(
    linearsOf(block.description, 0).map(({ name }) => weightSlot(name)),
  );
});

test('a loss that falls late is not waited for, unless patience lasts: what was best counts', async () => {
  /** Held-out losses as they are asked for; others are 1. What is kept is the number of the last. */
  const after = async (patience: number) => {
    const heldOut = [1, 1.2, 1.3, 1.1, 1.2, 1.1, 1, 0.9, 0.7, 0.5, 0.6, 0.5, 1];
    let [asked, kept] = [0, 0];
    const rates: number[] = [];
    const values = () => new Map([...block.parameters].map(([slot, each]) => [slot, each.values]));
    const backend: TuningBackend = {
      loss: () => Promise.resolve(asked++ === 0 ? 1 : heldOut[asked - 2]!),
      descend: (steps) => {
        rates.push(...steps.map(({ rate }) => rate));
        return Promise.resolve(steps.length);
      },
      keep: () => {
        kept = asked - 2;
      },
      kept: values,
      place: () => undefined,
      release: () => Promise.resolve(),
    };
    const options = { steps: 20, learningRate: 1, warmUp: 0.2, patience };
    const { report } = await tuneBlock({ ...block, options, backend: () => Promise.resolve(backend) });
    return { ...report, kept, rates };
  };
  expect(await after(3)).toMatchObject({ stopped: 'diverged', steps: 6, kept: 0 });
  const { rates, ...report } = await after(10);
  expect(report).toMatchObject({ stopped: 'done', steps: 20, kept: 9, heldOutAfter: 0.5 });
  // Four of twenty steps lead up to the fifth.
  expect(rates.indexOf(1)).toBe(4);
});

test('no steps change nothing', async () => {
  const { parameters, report } = await tuneBlock({ ...block, options: { steps: 0 } });
  expect(parameters).toEqual(asGiven());
  expect(report).toMatchObject({ steps: 0, stopped: 'done', heldOutAfter: report.heldOutBefore });
});

test('where the loss grows, or is no number, the block stays as it was, and the report says so', async () => {
  // Nothing is pruned: it cannot become better.
  const parameters = new Map(
    [...block.parameters].map(([slot, { values, dtype }]) => [slot, { values, dtype }]),
  );
  const perfect = await tuneBlock({ ...block, parameters, options: { ...block.options, steps: 10 } });
  expect(perfect.report.stopped).toBe('diverged');
  expect(perfect.report.heldOutAfter).toBe(perfect.report.heldOutBefore);
  for (const [slot, { values }] of parameters) expect(perfect.parameters.get(slot)).toEqual(values);
  const odd = await tuneBlock({
    ...block,
    targets: async (sequence) => (await block.targets(sequence)).slice().fill(NaN, 3, 4),
    options: { ...block.options, steps: 2 },
  });
  expect(odd.report).toMatchObject({ stopped: 'diverged', steps: 0 });
  expect(odd.parameters).toEqual(asGiven());
});

test('it ends early where the held-out sequences gain no more', async () => {
  const noise = uniform(9, -1, 1);
  const watched = new Set<number>();
  const inputs = (sequence: number) => {
    watched.add(sequence);
    return block.inputs(sequence);
  };
  const few = { ...block, sequences: 10 };
  await tuneBlock({ ...few, inputs, options: { steps: 0 } });
  const { report } = await tuneBlock({
    ...few,
    // What is tuned on leads astray, after a while.
    targets: async (sequence) => {
      const target = await block.targets(sequence);
      return watched.has(sequence) ? target : target.map((value) => value + 3 * noise());
    },
    options: { ...block.options, steps: 200, learningRate: 1e-2 },
  });
  expect(report.stopped).toBe('early');
  expect(report.steps).toBeLessThan(200);
  expect(report.heldOutAfter).toBeLessThan(report.heldOutBefore);
});

test('it tells each step, and stops between two runs when it is aborted', async () => {
  const abort = new AbortController();
  const steps: number[] = [];
  const tuning = tuneBlock({
    ...block,
    signal: abort.signal,
    onProgress({ step, steps: all, loss }) {
      steps.push(step);
      expect([all, Number.isFinite(loss)]).toEqual([60, true]);
      if (step === 3) abort.abort(new Error('enough'));
    },
  });
  await expect(tuning).rejects.toThrow('enough');
  expect(steps).toEqual([1, 2, 3]);
});

test('whoever waits hears of every sequence that goes through the block, those that are held out among them', async () => {
  let read = 0;
  let silent = 0;
  let longest = 0;
  const { report } = await tuneBlock({
    ...block,
    options: { steps: 3, batch: 8 },
    inputs(sequence) {
      read++;
      longest = Math.max(longest, ++silent);
      return block.inputs(sequence);
    },
    onSequence() {
      silent = 0;
    },
  });
  expect(report.steps).toBe(3);
  expect(read).toBeGreaterThan(3 * 8 + 2 * 8);
  expect(longest).toBe(1);
});

test('a mixture of experts, a single sequence and options out of range are refused', async () => {
  const { description } = block;
  const mixture = description.program.blocks.map((ops) => [
    ...ops,
    { op: 'router', input: 'hidden', output: 'r', weight: 'w', experts: 2, top: 1, normalise: true } as const,
  ]);
  const of = { ...description, program: { ...description.program, blocks: mixture } };
  await expect(tuneBlock({ ...block, description: of })).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('a mixture of experts'),
  });
  await expect(tuneBlock({ ...block, sequences: 1 })).rejects.toMatchObject({ kind: 'usage' });
  for (const options of [
    { steps: -1 },
    { steps: 1.5 },
    { learningRate: 0 },
    { batch: 0 },
    { heldOut: NaN },
  ]) {
    const [name] = Object.keys(options);
    await expect(tuneBlock({ ...block, options })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(`^${name} is`),
    });
  }
});
