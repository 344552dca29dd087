import { lastValueFrom, NEVER, of } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { narrow, widen } from '@esparse/kernels';
import {
  identityOrder,
  maskLinear,
  packLinear,
  roundLinear,
  survivorsOf,
  unpackQuantized,
  unpackToHalf,
  type PackedLinear,
  type BlockStage,
  type BlockStageInput,
} from '@esparse/sparsity';
import { blockStages, type BlockStageOptions, type PrunedBlock } from './block-stage.ts';
import { guarded } from './guard.ts';
import type { PrunedLinear } from './linear.ts';

const [ROWS, COLS] = [3, 8];
const pattern = { keep: 2, group: 4 };

/** Reversed, so that a mask in the wrong order would show. */
const permutation = identityOrder(COLS).reverse();

async function pruned(name: string): Promise<PrunedLinear> {
  const values = Float32Array.from({ length: ROWS * COLS }, (_, i) => Math.sin(i + name.length));
  const mask = await maskLinear(
    { scores: values.map(Math.abs), rows: ROWS, cols: COLS },
    permutation,
    pattern,
  );
  const linear = { dtype: 'bf16' as const, weights: narrow('bf16', values), rows: ROWS, cols: COLS };
  const job = {
    ...{ block: 3, name, tap: 'in', rows: ROWS, cols: COLS, pattern },
    readings: new Map<never, never>(),
  };
  return { job, packed: await packLinear(linear, permutation, mask, pattern), keptBefore: 1, keptAfter: 2 };
}

async function through(
  steps: readonly BlockStage['run'][],
  given: Partial<BlockStageOptions> = {},
): Promise<PrunedBlock> {
  const block = {
    ...{ block: 3, linears: [await pruned('q'), await pruned('down')] },
    ...{ tensors: new Map<string, Float32Array>(), reports: [] },
  };
  const options: BlockStageOptions = {
    surroundings: {
      ...{ program: [], sequences: 1, seqlen: 2, hidden: 4 },
      tensors: (['bf16', 'f32'] as const).map((dtype) => ({
        ...{ slot: `${dtype}_norm`, shape: [4], dtype },
        values: () => Promise.resolve(Float32Array.of(1, 2, 3, 4)),
      })),
      async *states() {
        // No stage here reads them.
      },
    },
    note: () => undefined,
    progress: () => undefined,
    tune: () => Promise.reject(new Error('not called')),
    ...given,
  };
  const stages = steps.map((run, i): BlockStage => ({ name: `stage-${i}`, states: 'none', run }));
  return lastValueFrom(of(block).pipe(blockStages(stages, () => options)));
}

/** Negated. */
const negated: BlockStage['run'] = async ({ linears: [linear] }) => ({
  weights: { [linear!.name]: (await linear!.weights()).map((bits) => bits ^ 0x8000) },
});

test('survivors get the weights that a stage gives, under the same mask and in the same order', async () => {
  const [before, untouched] = (await through([])).linears;
  const [after, other] = (await through([negated])).linears;
  const [packedBefore, packedAfter] = [before!.packed as PackedLinear, after!.packed as PackedLinear];
  const negate = (bits: number) => (bits === 0 ? 0 : bits ^ 0x8000);
  expect(packedAfter.values).toEqual(packedBefore.values.map(negate));
  expect(packedAfter.indices).toEqual(packedBefore.indices);
  expect(packedAfter.permutation).toEqual(permutation);
  expect(other!.packed).toEqual(untouched!.packed);
});

/** Integers of the first linear. */
const integersOf: BlockStage['run'] = async ({ linears: [linear] }) => {
  const survivors = survivorsOf(await linear!.kept(), linear!);
  const weights = await widen('bf16', await linear!.weights());
  return { integers: { q: roundLinear({ weights, rows: ROWS, cols: COLS }, { bits: 8 }, survivors) } };
};

test('survivors may be given as integers, under the same mask and in the same order; no stage follows', async () => {
  const [before, untouched] = (await through([])).linears;
  const [after, other] = (await through([integersOf])).linears;
  if (after!.packed.encoding !== 'quantized-v1') throw new Error('no integers');
  expect(after!.packed.permutation).toEqual(permutation);
  const [stored, exact] = [
    unpackQuantized(after!.packed),
    await widen('bf16', await unpackToHalf(before!.packed, 'bf16')),
  ];
  stored.forEach((value, i) => {
    expect(Math.abs(value - exact[i]!)).toBeLessThan(0.005);
    expect(value === 0).toBe(exact[i] === 0);
  });
  expect(other!.packed).toEqual(untouched!.packed);
  await expect(through([integersOf, negated])).rejects.toThrow('quantized already');
});

test('a stage gets the block as the one before has left it', async () => {
  const seen: Float32Array[] = [];
  const norm: BlockStage['run'] = async ({ tensors: [tensor] }) => {
    const values = await tensor!.values();
    seen.push(values);
    return { tensors: { bf16_norm: values.map((value) => 2 * value) }, report: { first: values[0]! } };
  };
  const twice = await through([negated, norm, negated, norm]);
  expect(seen).toEqual([Float32Array.of(1, 2, 3, 4), Float32Array.of(2, 4, 6, 8)]);
  expect(twice.tensors.get('bf16_norm')).toEqual(Float32Array.of(4, 8, 12, 16));
  expect(twice.reports).toEqual([
    { stage: 'stage-1', report: { first: 1 } },
    { stage: 'stage-3', report: { first: 2 } },
  ]);
  const unpacked = await Promise.all(
    [twice, await through([])].map(({ linears }) => unpackToHalf(linears[0]!.packed, 'bf16')),
  );
  expect(unpacked[0]).toEqual(unpacked[1]);
});

test('tensors are rounded once, to the type in which they are stored', async () => {
  const values = Float32Array.of(1.001, 2, 3, 4);
  const { tensors } = await through([
    () => Promise.resolve({ tensors: { bf16_norm: values, f32_norm: values } }),
  ]);
  expect(tensors.get('f32_norm')).toEqual(values);
  expect(tensors.get('bf16_norm')).toEqual(await widen('bf16', narrow('bf16', values)));
});

const weightsOf =
  (change: (weights: Uint16Array, kept: Uint8Array) => Uint16Array): BlockStage['run'] =>
  async ({ linears: [linear] }: BlockStageInput) => ({
    weights: { q: change(await linear!.weights(), await linear!.kept()) },
  });

test.each<[string, BlockStage['run'], string]>([
  ['throws', () => Promise.reject(new Error('broken')), 'broken'],
  ['gives nothing', () => Promise.resolve(undefined as never), 'its result is undefined'],
  ['gives a misspelt part', () => Promise.resolve({ weigths: {} } as never), 'its result has weigths'],
  ['gives other linears', () => Promise.resolve({ weights: { k: new Uint16Array(4) } }), 'its result has k'],
  ['gives another shape', weightsOf((weights) => weights.slice(1)), 'q: weights of 23 elements, expected 24'],
  [
    'gives an infinity',
    weightsOf((weights, kept) => weights.map((bits, i) => (kept[i] === 1 ? 0x7f80 : bits))),
    'q: the weight of row 0, channel ',
  ],
  [
    'changes the mask',
    weightsOf((weights) => weights.fill(0x3f80)),
    'its weights, q: the weight of row 0, channel ',
  ],
  [
    'gives integers of a scale that is zero',
    async (input) => {
      const { integers } = await integersOf(input, undefined as never);
      integers!.q!.scales[1] = 0;
      return { integers: integers! };
    },
    'q: the scale of row 1, span 0 is zero',
  ],
  [
    'gives a list',
    () => Promise.resolve({ tensors: { f32_norm: [1] as never } }),
    'f32_norm: Array, expected',
  ],
  [
    'gives a number that its type has not',
    () => Promise.resolve({ tensors: { f32_norm: Float32Array.of(1, 2, NaN, 4) } }),
    'f32_norm: element 2 is NaN, which f32 has no number for',
  ],
  [
    'reports what is no number',
    () => Promise.resolve({ report: { loss: Infinity } }),
    'its report is not made',
  ],
])('a stage that %s is refused by its name and block', async (_, run, message) => {
  await expect(through([run])).rejects.toThrow(`block stage stage-0, block 3: ${message}`);
});

test('a stage that writes to an order that it was given is refused', async () => {
  const step: BlockStage['run'] = ({ linears: [linear] }) => {
    linear!.permutation.reverse();
    return Promise.resolve({});
  };
  await expect(through([step]).finally(() => permutation.reverse())).rejects.toThrow(
    'it has written to the order of q',
  );
});

test('notes and progress go to the run, and tuning gets the block as it is by then', async () => {
  const said: unknown[] = [];
  const step: BlockStage['run'] = async (_, { note, progress, tune }) => {
    note('hello');
    progress(1, 2);
    return tune({ steps: 1, learningRate: 1, batch: 1, dense: 0, heldOut: 0 });
  };
  const { reports } = await through([negated, step], {
    note: (message) => said.push(message),
    progress: (done, total) => said.push([done, total]),
    async tune({ linears: [linear] }, { steps }, { progress }) {
      progress(2, 2);
      said.push(await unpackToHalf(linear!.packed, 'bf16'));
      return { weights: {}, tensors: {}, report: { steps } };
    },
  });
  const [tuned] = (await through([negated])).linears;
  expect(said).toEqual([
    'block 3: stage-1: hello',
    [1, 2],
    [2, 2],
    await unpackToHalf(tuned!.packed, 'bf16'),
  ]);
  expect(reports).toEqual([{ stage: 'stage-1', report: { steps: 1 } }]);
});

test('a call may take as long as it gives signs of life, and ends some time after the last', () => {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(({ cold, expectObservable }) => {
    const call = { plugin: 'block stage slow', where: 'block 0' };
    const never = () => new Promise(() => undefined);
    const failed = expect.objectContaining({ message: 'block stage slow, block 0: no result after 2 s' });
    const run = (beats$: typeof NEVER) => guarded(call, never, (found) => found, { timeoutMs: 2000, beats$ });
    expectObservable(run(cold('1s a 999ms b'))).toBe('4s #', {}, failed);
    expectObservable(run(NEVER)).toBe('2s #', {}, failed);
  });
});
