import { elementCount } from '@esparse/checkpoint';
import { tinyLlama, uniform } from '@esparse/laws';
import { BLOCK_OUTPUT, describeModel, weightSlot, type BlockOp, type RopeSpec } from '@esparse/model';
import { inF64, openF64, type Value64 } from '../testing/in-f64.ts';
import { buildLossGraph, LOSS, SUM, TARGET } from './loss-graph.ts';
import type { ProgramPart } from './program-writer.ts';

const description = describeModel(tinyLlama({ attention_bias: true }).config);
const HIDDEN = description.hidden;
const rope: RopeSpec = { type: 'default', channels: 8, theta: 100 };
const yarn: RopeSpec = {
  ...{ type: 'yarn', channels: 6, theta: 100, factor: 4, original: 4, betaFast: 32, betaSlow: 1 },
  ...{ truncate: true, attentionFactor: 1.2 },
};
const heads = { query: 'q', key: 'k', value: 'v', output: BLOCK_OUTPUT, headDim: 6, scale: 0.4 };
const ofHidden = { input: 'hidden', output: BLOCK_OUTPUT } as const;

/** Each operation: what it reads by name, with its channels; its parameters' shapes by slot. */
const cases: [string, BlockOp, Record<string, number>, Record<string, number[]>?][] = [
  [
    'linear',
    { ...ofHidden, op: 'linear', linear: 'k_proj' },
    { hidden: HIDDEN },
    { [weightSlot('k_proj')]: [16, HIDDEN], 'k_proj.bias': [16] },
  ],
  ['rmsNorm', { ...ofHidden, op: 'rmsNorm', weight: 'w', epsilon: 1e-2 }, { hidden: 12 }, { w: [12] }],
  [
    'rmsNorm of heads, of weights about 0',
    { ...ofHidden, op: 'rmsNorm', weight: 'w', epsilon: 1e-2, offset: 1, groups: 3 },
    { hidden: 12 },
    { w: [4] },
  ],
  [
    'layerNorm',
    { ...ofHidden, op: 'layerNorm', weight: 'w', bias: 'b', epsilon: 1e-2 },
    { hidden: 12 },
    { w: [12], b: [12] },
  ],
  ['rope', { ...ofHidden, op: 'rope', heads: 2, headDim: 8, spec: rope }, { hidden: 16 }],
  [
    'rope of a part of each head, scaled',
    { ...ofHidden, op: 'rope', heads: 2, headDim: 8, spec: yarn },
    { hidden: 16 },
  ],
  ['attention', { ...heads, op: 'attention', heads: 2, kvHeads: 2 }, { q: 12, k: 12, v: 12 }],
  ['grouped-query attention', { ...heads, op: 'attention', heads: 4, kvHeads: 2 }, { q: 24, k: 12, v: 12 }],
  [
    'attention in a window',
    { ...heads, op: 'attention', heads: 2, kvHeads: 1, window: 2 },
    { q: 12, k: 6, v: 6 },
  ],
  [
    'attention with sinks',
    { ...heads, op: 'attention', heads: 4, kvHeads: 2, window: 3, sinks: 's' },
    { q: 24, k: 12, v: 12 },
    { s: [4] },
  ],
  ['relu', { ...ofHidden, op: 'activation', activation: 'relu' }, { hidden: 12 }],
  ['gelu', { ...ofHidden, op: 'activation', activation: 'gelu' }, { hidden: 12 }],
  [
    'gated silu',
    { op: 'gatedActivation', activation: 'silu', gate: 'g', up: 'u', output: BLOCK_OUTPUT },
    { g: 12, u: 12 },
  ],
  [
    'gated gelu',
    { op: 'gatedActivation', activation: 'gelu', gate: 'g', up: 'u', output: BLOCK_OUTPUT },
    { g: 12, u: 12 },
  ],
  [
    'clamped SwiGLU',
    { op: 'clampedSwiglu', gate: 'g', up: 'u', output: BLOCK_OUTPUT, alpha: 1.7, limit: 0.5 },
    { g: 12, u: 12 },
  ],
  ['add', { op: 'add', left: 'a', right: 'b', output: BLOCK_OUTPUT }, { a: 12, b: 12 }],
  ['add of a value to itself', { op: 'add', left: 'a', right: 'a', output: BLOCK_OUTPUT }, { a: 12 }],
  ['scale', { ...ofHidden, op: 'scale', factor: -0.75 }, { hidden: 12 }],
];

describe.each([1, 2])('%d sequences at once', (sequences) => {
  test.each(cases)('the gradients of %s are what small steps show', async (_, op, given, parameters = {}) => {
    await expectGradients(
      { name: 'op', description, program: [op], given, slots: new Map(Object.entries(parameters)) },
      { tokens: 5, sequences },
    );
  });
});

test('so are those of attention in several chunks, with windows that reach into the one before', async () => {
  for (const window of [undefined, 40, 131]) {
    const op: BlockOp = {
      ...{ ...heads, op: 'attention', heads: 2, kvHeads: 1, headDim: 2 },
      ...(window === undefined ? {} : { window }),
    };
    const given = { q: 4, k: 2, v: 2 };
    const part = { name: 'op', description, program: [op], given, slots: new Map() };
    await expectGradients(part, { tokens: 150, sequences: 1, every: 37 });
  }
});

test('so are those of errors that count relative to the size of each token', async () => {
  const op: BlockOp = { ...ofHidden, op: 'linear', linear: 'k_proj' };
  const slots = new Map([
    [weightSlot('k_proj'), [16, HIDDEN]],
    ['k_proj.bias', [16]],
  ]);
  const part = { name: 'op', description, program: [op], given: { hidden: HIDDEN }, slots };
  await expectGradients(part, { tokens: 5, sequences: 2, relative: true });
});

interface Sizes {
  readonly tokens: number;
  readonly sequences: number;
  /** Every so many elements are tried. @default 1 */
  readonly every?: number;
  readonly relative?: boolean;
}

/** Compares the gradients with central differences, both in f64. */
async function expectGradients(
  part: ProgramPart & { readonly program: readonly BlockOp[] },
  { tokens, sequences, every = 1, relative }: Sizes,
): Promise<void> {
  const names = [...Object.keys(part.given), ...part.slots.keys()];
  const sizes = { tokens, sequences, relative };
  const wanted = buildLossGraph(part, { ...sizes, of: names });
  const alone = buildLossGraph(part, sizes);
  const [both, loss] = await Promise.all([wanted, alone].map(({ bytes }) => openF64(inF64(bytes))));
  const random = uniform(7, -1, 1);
  const rows = tokens * sequences;
  const value = (shape: readonly number[]): Value64 => {
    const length = elementCount(shape);
    return { shape, data: Float64Array.from({ length }, random) };
  };
  const inputs = new Map<string, Value64>();
  for (const [name, channels] of Object.entries(part.given)) inputs.set(name, value([rows, channels]));
  for (const [slot, shape] of part.slots) inputs.set(slot, value(shape));
  const op = part.program.at(-1)!;
  const width =
    op.op === 'linear'
      ? 16
      : op.op === 'attention'
        ? op.heads * op.headDim
        : inputs.get(names[0]!)!.shape[1]!;
  inputs.set(TARGET, value([rows, width]));

  for (const name of names)
    inputs.set(SUM + name, { ...inputs.get(name)!, data: new Float64Array(inputs.get(name)!.data.length) });
  const found = await both!.run(inputs);
  const lossNow = async () => (await loss!.run(inputs)).get(LOSS)![0]!;
  expect(found.get(LOSS)![0]).toBeCloseTo(await lossNow(), 12);
  const STEP = 1e-5;
  for (const name of names) {
    const gradient = found.get(wanted.gradients.get(name)!)!;
    const { data } = inputs.get(name)!;
    expect(gradient).toHaveLength(data.length);
    const largest = Math.max(...gradient.map(Math.abs));
    for (let i = 0; i < data.length; i += every) {
      const before = data[i]!;
      data[i] = before + STEP;
      const above = await lossNow();
      data[i] = before - STEP;
      const below = await lossNow();
      data[i] = before;
      const slope = (above - below) / (2 * STEP);
      expect(Math.abs(slope - gradient[i]!)).toBeLessThan(1e-6 * largest + 1e-10);
    }
  }
  await Promise.all([both!.release(), loss!.release()]);
}
