import { widen } from '@esparse/kernels';
import { operationOf, type BlockOp } from '@esparse/model';
import {
  defineBlockStage,
  integerOptions,
  roundingFault,
  roundingFor,
  roundLinear,
  survivorsOf,
  type BlockLinear,
  type BlockOperation,
  type IntegerWeights,
  type RoundingOptions,
} from '@esparse/sparsity';
import { z } from 'zod';
import { tuneCost } from './tune-cost.ts';
import { TUNE_DEFAULTS, TUNE_LIMITS } from './tune-options.ts';

/** Half of the dense model's own output: a block also mends what the blocks before it did. */
const DENSE = 0.5;
/** Sequences of a calibration that may be asked for. */
const MAX_SAMPLES = 2 ** 31 - 1;

const { values, group } = integerOptions.shape;

/** Options of `tune`. */
export const tuneOptions = z.object({
  steps: z
    .int()
    .min(0)
    .max(TUNE_LIMITS.steps)
    .default(TUNE_DEFAULTS.steps)
    .describe('steps of gradient descent a block, at most; 0 leaves it as it is'),
  learningRate: z
    .number()
    .positive()
    .max(TUNE_LIMITS.learningRate)
    .default(TUNE_DEFAULTS.learningRate)
    .describe('of the first step; it falls to 0 along a cosine'),
  batch: z
    .int()
    .min(1)
    .max(TUNE_LIMITS.batch)
    .default(TUNE_DEFAULTS.batch)
    .describe('calibration windows of a step'),
  dense: z
    .number()
    .min(0)
    .max(1)
    .default(DENSE)
    .describe("share of the dense model's own output in the target; 0 spares its forward pass"),
  heldOut: z
    .number()
    .positive()
    .max(TUNE_LIMITS.heldOut)
    .default(TUNE_DEFAULTS.heldOut)
    .describe('share of the windows that is not tuned on, and decides when to stop'),
  loss: z
    .enum(['absolute', 'relative'])
    .default('absolute')
    .describe("whether each token's error counts as it is, or relative to its target's size"),
  samples: z
    .int()
    .min(2)
    .max(MAX_SAMPLES)
    .optional()
    .describe('calibration windows that are tuned with, the first ones; all where left out'),
  values: values.optional(),
  group: group
    .unwrap()
    .optional()
    .describe(`${group.description ?? ''} [32]`),
});

/**
 * Tunes a block on its own output: gradient descent on the surviving weights, norms and biases, so that what the block makes of
 * the pruned model's hidden states comes near to what the dense block makes of them, and of the dense model's own (`tuneBlock`). A
 * worker does it, where the hidden states are read. Where the loss does not fall the block stays as it is, with a note.
 *
 * With `values` survivors become integers, and the block is tuned as it is with these: each step is taken from what rounding
 * makes of the weights so far. A linear that integers do not fit keeps its 16-bit floats, with a note.
 */
export const tune = defineBlockStage({
  name: 'tune',
  options: tuneOptions,
  states: ({ steps, dense }) => (steps === 0 ? 'none' : dense > 0 ? 'both' : 'pruned'),
  async run(block, { options: { values, group, ...options }, tune: tuneOnWorker, note }) {
    const asked = values === undefined ? undefined : roundingFor(integerOptions.parse({ values, group }));
    const fitting = asked === undefined ? [] : await linearsFor(asked, block.linears, note);
    const rounding = asked && { ...asked, linears: fitting.map(({ name }) => name) };
    const integersOf = async (tuned: Readonly<Record<string, Uint16Array>> = {}) => {
      if (asked === undefined) return {};
      const integers: Record<string, IntegerWeights> = {};
      for (const linear of fitting) integers[linear.name] = await rounded(linear, asked, tuned[linear.name]);
      return { integers };
    };
    if (options.steps === 0) return integersOf();
    const { weights, tensors, report } = await tuneOnWorker({ ...options, rounding });
    if (report.stopped !== 'diverged') return { weights, tensors, report, ...(await integersOf(weights)) };
    note('its loss did not fall, and it keeps the weights that it had');
    return { report, ...(await integersOf()) };
  },
  refuses: (program, { options: { steps } }) => (steps === 0 ? undefined : withoutGradient(program)),
  rounding: ({ values, group }) =>
    values === undefined ? undefined : roundingFor(integerOptions.parse({ values, group })),
  cost: tuneCost,
});

/** The first operation of a program that no gradient is known of: its name alone tells. */
function withoutGradient(program: readonly BlockOperation[]): string | undefined {
  const without = program.find(({ op }) => operationOf({ op } as BlockOp).gradient === undefined);
  if (without === undefined) return undefined;
  const isExperts = without.op === 'router' || without.op === 'experts';
  return isExperts ? 'a mixture of experts' : `the operation '${without.op}'`;
}

/** Those whose weights integers fit. */
async function linearsFor(
  asked: RoundingOptions,
  linears: readonly BlockLinear[],
  note: (message: string) => void,
): Promise<BlockLinear[]> {
  const fitting: BlockLinear[] = [];
  for (const linear of linears) {
    const given = { ...linear, weights: await widen(linear.dtype, await linear.weights()) };
    const survivors = survivorsOf(await linear.kept(), linear);
    const fault = roundingFault(roundLinear(given, asked, survivors), given, survivors);
    if (fault === undefined) fitting.push(linear);
    else note(`${linear.name}: rounding to int${asked.bits} ${fault}: it stays ${linear.dtype}`);
  }
  return fitting;
}

/** A linear's survivors as integers: of these weights, or of those that it has. */
async function rounded(
  linear: BlockLinear,
  asked: RoundingOptions,
  tuned?: Uint16Array,
): Promise<IntegerWeights> {
  const { rows, cols, dtype } = linear;
  const weights = await widen(dtype, tuned ?? (await linear.weights()));
  return roundLinear({ weights, rows, cols }, asked, survivorsOf(await linear.kept(), linear));
}
