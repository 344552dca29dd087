/**
 * What holds of tuning all blocks of a model at once (`esparse tune`), beside PyTorch's in f64: `npm run test:cuda` on a machine with a
 * GPU; a test runs the same on an emulated one.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointWeights, openCheckpoint, type WeightSource } from '@esparse/checkpoint';
import { CudaArithmetic } from '@esparse/cuda';
import { describeCheckpoint, linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import { createBlockRunner, embedTokens } from '@esparse/onnx';
import {
  cudaModelTuning,
  modelSlot,
  openCudaModel,
  readModelHead,
  tuneBlock,
  type ModelHead,
  type TunedParameter,
  type TunedBlock,
  type TuningBackendOptions,
} from '@esparse/tuning';
import { withRoom } from './with-room.ts';

/** Of losses, and of the norms of a block's gradients. */
const TOLERANCE = 3e-2;
/** Of the norm of one parameter's: in bf16 autocast PyTorch's own are up to 0.066 from those in f64. */
const TOLERANCE_OF_ONE = 0.1;
/** Gradients smaller than this part of their block's largest are compared with that: some add up to nothing. */
const LEAST = 0.03;

const FIXTURES = path.join(import.meta.dirname, '../../fixtures');

const gpu = CudaArithmetic.open();
after(() => {
  gpu.close();
});

/** What PyTorch makes of a model half of whose weights are pruned: `test/python/distillation_fixtures.py`. */
interface Fixture {
  readonly checkpoint: string;
  readonly tokens: readonly (readonly number[])[];
  readonly rate: number;
  /** Before each step of Adam. */
  readonly losses: readonly number[];
  /** At the start, by the checkpoint's names: sums of rows, and of the columns of a matrix. */
  readonly gradients: Readonly<Record<string, { readonly rows: number[]; readonly columns?: number[] }>>;
}

async function fixtureOf(family: string): Promise<Fixture> {
  return JSON.parse(await readFile(path.join(FIXTURES, 'distillation', `${family}.json`), 'utf8')) as Fixture;
}

interface Model extends Omit<TuningBackendOptions, 'batch'> {
  readonly head: ModelHead;
  /** Slots of parameters by the checkpoint's names. */
  readonly slots: ReadonlyMap<string, string>;
}

/** A fixture's model, pruned as there, and what it is tuned on: all of its sequences are a batch. */
async function modelOf({ checkpoint: folder, tokens }: Fixture): Promise<Model> {
  const checkpoint = await openCheckpoint(path.join(FIXTURES, folder));
  const description = describeCheckpoint(checkpoint);
  const weights = checkpointWeights(checkpoint);
  const [parameters, slots] = [new Map<string, TunedParameter>(), new Map<string, string>()];
  for (let block = 0; block < description.blocks; block++) {
    const add = async (own: string, name: string, pruned: boolean) => {
      const values = await weights.read(name);
      const mask = pruned ? Uint8Array.from(values, (_, i) => ((i + (i >> 3)) % 2 === 0 ? 1 : 0)) : undefined;
      const slot = modelSlot(block, own);
      slots.set(name, slot);
      parameters.set(slot, { values, mask, dtype: pruned ? 'bf16' : 'f32' });
    };
    for (const { name, weight } of linearsOf(description, block))
      await add(weightSlot(name), weight(block), true);
    for (const { slot, name } of description.blockTensors(block)) await add(slot, name, false);
  }
  const head = await readModelHead(description, weights);
  const { inputs, targets } = await statesOf(description, weights, tokens);
  await checkpoint.close();
  return {
    ...{
      description,
      block: 0,
      parameters,
      slots,
      head,
      sequences: tokens.length,
      seqlen: tokens[0]!.length,
    },
    inputs: (sequence) => Promise.resolve(inputs[sequence]!),
    targets: (sequence) => Promise.resolve(targets[sequence]!),
  };
}

/** Of each sequence what goes into the first block, and what the dense model's last makes of it. */
async function statesOf(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Fixture['tokens'],
): Promise<{ readonly inputs: Float32Array[]; readonly targets: Float32Array[] }> {
  const seqlen = tokens[0]!.length;
  const runner = await createBlockRunner(description, { seqlen, threads: 1 });
  const [inputs, targets]: [Float32Array[], Float32Array[]] = [[], []];
  for (const sequence of tokens) {
    let hidden = await embedTokens(description, weights, Uint32Array.from(sequence), seqlen);
    inputs.push(hidden);
    for (let k = 0; k < description.blocks; k++)
      hidden = await (await runner.load(k, weights)).advance(hidden);
    targets.push(hidden);
  }
  await runner.release();
  return { inputs, targets };
}

for (const file of readdirSync(path.join(FIXTURES, 'distillation'))) {
  const family = path.basename(file, '.json');
  void test(`${family}: gradients of all blocks are PyTorch's, and so are the losses of some steps of Adam`, async () => {
    await requirePyTorch(await fixtureOf(family), gpu);
  });
}

void test('and so they are where a batch goes through in parts, for lack of room', async () => {
  const fixture = await fixtureOf('llama');
  const { sequences, seqlen, description } = await modelOf(fixture);
  let [refused, fits] = [0, 2 ** 30];
  while (fits - refused > 1024) {
    const between = (refused + fits) / 2;
    const opening = open(fixture, withRoom(gpu, between));
    if (
      await opening
        .then((opened) => opened.release())
        .then(
          () => true,
          () => false,
        )
    )
      fits = between;
    else refused = between;
  }
  // There sequences stay with the host; with room for them steps are recorded.
  for (const more of [0, 1.1 * 2 * 4 * sequences * seqlen * description.hidden]) {
    const told: string[] = [];
    await requirePyTorch(fixture, withRoom(gpu, fits + more), (text) => told.push(text));
    assert.match(told.join(), /4 sequences goes through the model 1 at a time/);
  }
});

async function open(fixture: Fixture, on: CudaArithmetic, report?: (text: string) => void) {
  const { head, ...model } = await modelOf(fixture);
  return openCudaModel(on, head, { ...model, batch: model.sequences }, report);
}

async function requirePyTorch(
  fixture: Fixture,
  on: CudaArithmetic,
  report?: (text: string) => void,
): Promise<void> {
  const { slots, description } = await modelOf(fixture);
  const all = fixture.tokens.map((_, sequence) => sequence);
  const opened = await open(fixture, on, report);
  const found = await opened.gradients(all);
  assert.deepEqual(await opened.gradients(all), found, 'the same bits again');
  for (let block = 0; block < description.blocks; block++)
    requireGradients(fixture, slots, found, modelSlot(block, ''));
  const losses: number[] = [];
  const way = fixture.losses.map(() => ({ sequences: all, rate: fixture.rate }));
  assert.equal(await opened.descend(way, (loss) => losses.push(loss)), way.length);
  await opened.release();
  for (const [step, expected] of fixture.losses.entries()) {
    const error = Math.abs(losses[step]! / expected - 1);
    assert.ok(error < TOLERANCE, `step ${step}: a loss of ${losses[step]}, not ${expected}`);
  }
}

/** Holds the sums of the gradients of a block, whose slots begin so, against PyTorch's. */
function requireGradients(
  { gradients }: Fixture,
  slots: Model['slots'],
  found: TunedBlock['parameters'],
  prefix: string,
): void {
  const own = Object.entries(gradients).filter(([name]) => slots.get(name)!.startsWith(prefix));
  assert.ok(own.length > 0);
  for (const way of ['rows', 'columns'] as const) {
    const sums = own.flatMap(([name, { rows, [way]: expected }]) => {
      if (expected === undefined) return [];
      const gradient = found.get(slots.get(name)!)!;
      const columns = gradient.length / rows.length;
      const errors = expected.map((sum) => -sum);
      gradient.forEach((value, i) => {
        errors[way === 'rows' ? Math.floor(i / columns) : i % columns]! += value;
      });
      return [{ name, error: normOf(errors), norm: normOf(expected) }];
    });
    const all = normOf(sums.map(({ norm }) => norm));
    const error = normOf(sums.map((each) => each.error)) / all;
    assert.ok(error < TOLERANCE, `${prefix} an error of ${error} of ${way}`);
    const largest = Math.max(...sums.map(({ norm }) => norm));
    for (const each of sums) {
      const relative = each.error / Math.max(each.norm, LEAST * largest);
      assert.ok(relative < TOLERANCE_OF_ONE, `${each.name}: an error of ${relative} of its ${way}`);
    }
  }
}

function normOf(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
}

void test('what is learnt lowers the divergence of the held-out sequences, masks are kept, and equal runs have equal bits', async () => {
  const { head, ...model } = await modelOf(await fixtureOf('llama'));
  const backend = cudaModelTuning(gpu, head);
  const options = { steps: 40, batch: 2, learningRate: 0.003 };
  const tuned = await tuneBlock({ ...model, seed: 1, options, backend });
  assert.ok(tuned.report.heldOutAfter < 0.9 * tuned.report.heldOutBefore, JSON.stringify(tuned.report));
  for (const [slot, values] of tuned.parameters) {
    const { mask } = model.parameters.get(slot)!;
    assert.ok(mask === undefined || values.every((value, i) => mask[i] === 1 || value === 0), slot);
  }
  assert.deepEqual(await tuneBlock({ ...model, seed: 1, options, backend }), tuned);
});

void test('memory is given back', () => {
  assert.equal(gpu.facts.heldBytes, 0);
});
