/**
 * What holds of tuning a block with `--device cuda`, beside ONNX Runtime's on the processor: `npm run test:cuda` on a machine with a
 * GPU; a test runs the same on an emulated one.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { CudaArithmetic } from '@esparse/cuda';
import { isEsparseError } from '@esparse/errors';
import { narrow, widenReference } from '@esparse/kernels';
import { memoryWeights, type TinyTensor } from '@esparse/laws';
import { describeModel, linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import { createBlockLoss, createBlockRunner, embedTokens } from '@esparse/onnx';
import {
  cudaTuning,
  onnxTuning,
  openCudaBlock,
  tuneBlock,
  type TuneBlockOptions,
  type TunedParameter,
} from '@esparse/tuning';

/** A LLaMA of one block, and grouped queries. */
const SMALL = {
  ...{ model_type: 'llama', hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, vocab_size: 8 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 512 },
  ...{ rms_norm_eps: 1e-5, rope_theta: 1e4, tie_word_embeddings: true, hidden_act: 'silu' },
};

/** Of norms. */
const TOLERANCE = 2e-2;
/** Gradients smaller than this part of the largest are compared with that: where nothing is rotated, a key's bias has none. */
const LEAST = 0.03;

const FIXTURES = path.join(import.meta.dirname, '../../fixtures');
const REFUSED: Readonly<Record<string, RegExp>> = { qwen3: /heads of 12 channels/ };

const gpu = CudaArithmetic.open();
after(() => {
  gpu.close();
});

interface Fixture {
  readonly checkpoint: string;
  readonly tokens: readonly (readonly number[])[];
  readonly target: readonly (readonly number[])[];
}

/** Numbers without a pattern. */
function random(seed: number, length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(seed + i * i * 0.37));
}

function randomBlock(description: ModelDescription, block: number): Map<string, TunedParameter> {
  const parameters = new Map<string, TunedParameter>();
  for (const { name, rows, cols } of linearsOf(description, block)) {
    const values = random(rows + 7 * block, rows * cols).map((value) => value / 4);
    parameters.set(weightSlot(name), {
      values: widenReference('bf16', narrow('bf16', values)),
      dtype: 'bf16',
    });
  }
  for (const { slot } of description.blockTensors(block))
    parameters.set(slot, { values: new Float32Array(description.hidden).fill(1), dtype: 'f32' });
  return parameters;
}

/** The last block of a fixture's model, and what it is tuned on. Matrices are bf16, as on the device. */
async function blockOf(family: string): Promise<Omit<TuneBlockOptions, 'seed' | 'options'>> {
  const text = await readFile(path.join(FIXTURES, 'gradients', `${family}.json`), 'utf8');
  const fixture = JSON.parse(text) as Fixture;
  const checkpoint = await openCheckpoint(path.join(FIXTURES, fixture.checkpoint));
  const description = describeModel(checkpoint.config);
  const weights = checkpointWeights(checkpoint);
  const seqlen = fixture.tokens[0]!.length;
  const block = description.blocks - 1;
  const runner = await createBlockRunner(description, { seqlen, threads: 1 });
  const inputs: Float32Array[] = [];
  for (const tokens of fixture.tokens) {
    let hidden = await embedTokens(description, weights, Uint32Array.from(tokens), seqlen);
    for (let k = 0; k < block; k++) hidden = await (await runner.load(k, weights)).advance(hidden);
    inputs.push(hidden);
  }
  await runner.release();
  const rows = fixture.target.map((row) => Float32Array.from(row));
  const targets = inputs.map((_, s) => joined(rows.slice(s * seqlen, (s + 1) * seqlen)));
  const parameters = new Map<string, TunedParameter>();
  for (const { name, weight } of linearsOf(description, block)) {
    const values = widenReference('bf16', narrow('bf16', await weights.read(weight(block))));
    parameters.set(weightSlot(name), { values, dtype: 'bf16' });
  }
  for (const { slot, name } of description.blockTensors(block)) {
    parameters.set(slot, { values: await weights.read(name), dtype: 'f32' });
  }
  await checkpoint.close();
  return {
    ...{ description, block, parameters, sequences: inputs.length, seqlen },
    inputs: (sequence) => Promise.resolve(inputs[sequence]!),
    targets: (sequence) => Promise.resolve(targets[sequence]!),
  };
}

for (const file of readdirSync(path.join(FIXTURES, 'gradients'))) {
  const family = path.basename(file, '.json');
  const refused = REFUSED[family];
  void test(`${family}: ${refused === undefined ? "gradients are the processor's" : 'refused by name'}`, async () => {
    const block = await blockOf(family);
    if (refused === undefined) await requireSameGradients(block);
    else {
      await assert.rejects(
        openCudaBlock(gpu, { ...block, batch: 2 }),
        (error) => isEsparseError(error) && error.kind === 'unsupported' && refused.test(error.message),
      );
    }
  });
}

void test("of many tokens, which a small weight's gradient adds up in parts, gradients are the processor's", async () => {
  const [description, seqlen, sequences] = [describeModel(SMALL), 512, 4];
  const parameters = randomBlock(description, 0);
  await requireSameGradients({
    ...{ description, block: 0, parameters, sequences, seqlen },
    inputs: (sequence) => Promise.resolve(random(sequence, 16 * seqlen)),
    targets: (sequence) => Promise.resolve(random(9 + sequence, 16 * seqlen)),
  });
});

async function requireSameGradients(block: Omit<TuneBlockOptions, 'seed' | 'options'>): Promise<void> {
  const { description, seqlen, sequences, parameters } = block;
  const all = Array.from({ length: sequences }, (_, sequence) => sequence);
  const of = [...parameters.keys()];
  const values = new Map([...parameters].map(([slot, parameter]) => [slot, parameter.values]));
  const zeros = () => new Map([...values].map(([slot, { length }]) => [slot, new Float32Array(length)]));
  const loss = createBlockLoss(description, { block: block.block, seqlen, sequences, of, threads: 1 });
  const expected = zeros();
  const [input, target] = [
    await Promise.all(all.map(block.inputs)),
    await Promise.all(all.map(block.targets)),
  ];
  const example = { input: joined(input), target: joined(target) };
  const expectedLoss = await loss.gradients(example, values, zeros(), expected);
  await loss.release();
  // All at once, and the parts of a batch one after the other.
  for (const batch of [sequences, 1]) {
    const opened = await openCudaBlock(gpu, { ...block, batch });
    const found = await opened.gradients(all.slice(0, batch));
    assert.deepEqual(await opened.gradients(all.slice(0, batch)), found, 'the same bits again');
    const foundLoss = await opened.loss(all);
    await opened.release();
    assert.ok(Math.abs(foundLoss / expectedLoss - 1) < 5e-3, `loss ${foundLoss}, not ${expectedLoss}`);
    if (batch < sequences) continue;
    const largest = Math.max(...[...expected.values()].map(normOf));
    for (const [slot, gradient] of expected) {
      const error = normOf(found.get(slot)!.map((value, i) => value - gradient[i]!));
      const relative = error / Math.max(normOf(gradient), LEAST * largest);
      assert.ok(relative < TOLERANCE, `${slot}: an error of ${relative}`);
    }
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

function normOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

/** A block of a small LLaMA, a fourth of whose weights are pruned, on made-up inputs; the target is what it gave before. */
async function prunedBlock(): Promise<TuneBlockOptions> {
  const block = await blockOf('llama');
  const { description, seqlen } = block;
  const [sequences, size] = [24, seqlen * description.hidden];
  const inputs = Array.from({ length: sequences }, (_, s) =>
    Float32Array.from({ length: size }, (_, i) => Math.sin(1 + s + i * i * 0.37)),
  );
  const targets = await outputsOf(description, block, inputs);
  const parameters = new Map(
    [...block.parameters].map(([slot, parameter]): [string, TunedParameter] => {
      const mask = parameter.values.map((_, i) => ((i + (i >> 3)) % 4 === 0 ? 0 : 1));
      return [slot, slot.endsWith('weight') ? { ...parameter, mask: Uint8Array.from(mask) } : parameter];
    }),
  );
  return {
    ...{ ...block, parameters, sequences, seed: 3 },
    inputs: (sequence) => Promise.resolve(inputs[sequence]!),
    targets: (sequence) => Promise.resolve(targets[sequence]!),
    options: { steps: 40, batch: 4, learningRate: 5e-3 },
  };
}

/** What the block makes of its inputs. */
async function outputsOf(
  description: ModelDescription,
  { block, parameters, seqlen }: Pick<TuneBlockOptions, 'block' | 'parameters' | 'seqlen'>,
  inputs: readonly Float32Array[],
): Promise<Float32Array[]> {
  const tensors = new Map<string, TinyTensor>();
  for (const { name, weight, rows, cols } of linearsOf(description, block)) {
    const { values } = parameters.get(weightSlot(name))!;
    tensors.set(weight(block), { dtype: 'F32', shape: [rows, cols], data: values });
  }
  for (const { slot, name, shape } of description.blockTensors(block)) {
    tensors.set(name, { dtype: 'F32', shape, data: parameters.get(slot)!.values });
  }
  const runner = await createBlockRunner(description, { seqlen, threads: 1 });
  const loaded = await runner.load(block, memoryWeights(tensors));
  const outputs: Float32Array[] = [];
  for (const input of inputs) outputs.push(await loaded.advance(input));
  await runner.release();
  return outputs;
}

void test('what is learnt is what the processor learns; masks are kept; equal runs have equal bits, other seeds others', async () => {
  const block = await prunedBlock();
  const here = await tuneBlock({ ...block, backend: onnxTuning({ threads: 1 }) });
  const backend = cudaTuning(gpu);
  const there = await tuneBlock({ ...block, backend });
  assert.ok(there.report.heldOutAfter < 0.8 * there.report.heldOutBefore);
  assert.ok(Math.abs(there.report.heldOutAfter / here.report.heldOutAfter - 1) < 0.02);
  for (const [slot, values] of there.parameters) {
    const { mask } = block.parameters.get(slot)!;
    assert.ok(mask === undefined || values.every((value, i) => mask[i] === 1 || value === 0), slot);
  }
  assert.deepEqual(await tuneBlock({ ...block, backend }), there);
  assert.notDeepEqual((await tuneBlock({ ...block, seed: 4, backend })).parameters, there.parameters);
});

for (const [bits, pruned] of [
  [3, true],
  [4, true],
  [8, true],
  [3, false],
] as const) {
  const which = pruned ? 'survivors' : 'dense weights';
  void test(`of ${which} that will be integers of ${bits} bits the same is learnt, with these in their places`, async () => {
    const block = await prunedBlock();
    const cols = new Map(
      linearsOf(block.description, block.block).map((linear) => [weightSlot(linear.name), linear.cols]),
    );
    const parameters = new Map(
      [...block.parameters].map(([slot, parameter]): [string, TunedParameter] => {
        const columns = cols.get(slot);
        if (parameter.mask === undefined || columns === undefined) return [slot, parameter];
        // Reversed: an order that is not looked at would show.
        const permutation = Int32Array.from({ length: columns }, (_, i) => columns - 1 - i);
        const rounding = { bits, positions: 12, permutation };
        return [slot, { ...parameter, mask: pruned ? parameter.mask : undefined, rounding }];
      }),
    );
    // Where nothing is pruned the loss is of rounding alone: which weights round otherwise on the way differs with the last bits.
    const options = { ...block.options, learningRate: pruned ? 5e-3 : 1e-3 };
    const given = { ...block, parameters, options };
    const here = await tuneBlock({ ...given, backend: onnxTuning({ threads: 1 }) });
    const there = await tuneBlock({ ...given, backend: cudaTuning(gpu) });
    const unrounded = new Map(
      [...parameters].map(([slot, { rounding: _, ...parameter }]): [string, TunedParameter] => [
        slot,
        parameter,
      ]),
    );
    const floats = await tuneBlock({
      ...{ ...block, parameters: unrounded },
      ...{ backend: cudaTuning(gpu), options: { steps: 0 } },
    });
    const [before, after] = [
      there.report.heldOutBefore / here.report.heldOutBefore,
      there.report.heldOutAfter / here.report.heldOutAfter,
    ];
    assert.ok(Math.abs(before - 1) < 0.01, `before ${before}`);
    assert.ok(Math.abs(after - 1) < (pruned ? 0.05 : 0.15), `after ${after}`);
    assert.ok(there.report.heldOutAfter < 0.85 * there.report.heldOutBefore);
    assert.notEqual(there.report.heldOutBefore, floats.report.heldOutBefore);
    assert.deepEqual(await tuneBlock({ ...given, backend: cudaTuning(gpu) }), there);
  });
}

void test('relative losses are those of the processor', async () => {
  const block = await prunedBlock();
  const relative = { ...block, options: { ...block.options, relative: true } };
  const here = await tuneBlock({ ...relative, backend: onnxTuning({ threads: 1 }) });
  const there = await tuneBlock({ ...relative, backend: cudaTuning(gpu) });
  for (const loss of ['heldOutBefore', 'heldOutAfter', 'lossAfter'] as const) {
    assert.ok(Math.abs(there.report[loss] / here.report[loss] - 1) < 0.02, loss);
  }
});

void test('sequences that are added up on the device, share by share, are those of the host', async () => {
  const block = await prunedBlock();
  const all = Array.from({ length: block.sequences }, (_, sequence) => sequence);
  const inputs = await Promise.all(all.map(async (sequence) => narrow('bf16', await block.inputs(sequence))));
  const backend = cudaTuning(gpu);
  const rounded = (sequence: number) => Promise.resolve(widenReference('bf16', inputs[sequence]!));
  const copied = await tuneBlock({ ...block, inputs: rounded, backend });
  const nothing = () => Promise.reject(new Error('asked of the host'));
  const placed = await tuneBlock({
    ...{ ...block, inputs: nothing, targets: nothing, backend },
    place: async (add) => {
      for (const first of all) {
        add({ to: 'inputs', first, values: inputs[first]!, share: 1 });
        const target = await block.targets(first);
        const there = gpu.allocate(target.byteLength);
        gpu.upload(there.address, target);
        const values = { address: there.address, type: 'f32', length: target.length } as const;
        for (const share of [0.5, 0.5]) add({ to: 'targets', first, values, share });
        gpu.release(there);
      }
    },
  });
  assert.deepEqual(placed, copied);
});

void test('losses that are no numbers end it, and so does whoever aborts it', async () => {
  const block = await prunedBlock();
  const odd = await tuneBlock({
    ...{ ...block, backend: cudaTuning(gpu), options: { steps: 3, batch: 4 } },
    targets: async (sequence) => (await block.targets(sequence)).slice().fill(NaN, 3, 4),
  });
  assert.deepEqual([odd.report.stopped, odd.report.steps], ['diverged', 0]);
  const abort = new AbortController();
  const tuning = tuneBlock({
    ...{ ...block, backend: cudaTuning(gpu), signal: abort.signal },
    onProgress: () => {
      abort.abort(new Error('enough'));
    },
  });
  await assert.rejects(tuning, /enough/);
});

void test('memory is given back', () => {
  assert.equal(gpu.facts.heldBytes, 0);
});
