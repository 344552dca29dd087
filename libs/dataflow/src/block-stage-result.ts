import { EsparseError, isEsparseError } from '@esparse/errors';
import { roundTo } from '@esparse/kernels';
import type {
  BlockReport,
  BlockStageInput,
  BlockStageResult,
  BlockTensor,
  IntegerWeights,
} from '@esparse/sparsity';
import { checkIntegers } from './plugin-results.ts';
import { arrayOf, fieldsOf, halfMatrix } from './plugin-values.ts';

/** What a report may hold: a store keeps it with every block. */
const MAX_REPORT = 32;
const MAX_WORD = 200;

/**
 * Weights must be finite and of the block's own linears, tensors of its own and finite as they are stored, which they are rounded
 * to here. That weights keep to the mask is seen when they are packed.
 */
export async function checkBlockResult(input: BlockStageInput, found: unknown): Promise<BlockStageResult> {
  const { weights, integers, tensors, report } = fieldsOf(found, [
    'weights',
    'integers',
    'tensors',
    'report',
  ]);
  return {
    ...(weights === undefined ? {} : { weights: await checkWeights(input, weights) }),
    ...(integers === undefined ? {} : { integers: checkAllIntegers(input, integers) }),
    ...(tensors === undefined ? {} : { tensors: await checkTensors(input, tensors) }),
    ...(report === undefined ? {} : { report: checkReport(report) }),
  };
}

async function checkWeights(input: BlockStageInput, weights: unknown): Promise<Record<string, Uint16Array>> {
  const all = byLinear(input, weights, (linear, value) => halfMatrix('weights', linear, value));
  const checked = Object.entries(all).map(async ([name, halves]) => [name, await halves] as const);
  return Object.fromEntries(await Promise.all(checked));
}

function checkAllIntegers(input: BlockStageInput, integers: unknown): Record<string, IntegerWeights> {
  return byLinear(input, integers, checkIntegers);
}

/** What is given for some of the block's linears, by their names. */
function byLinear<T>(
  { linears }: BlockStageInput,
  given: unknown,
  check: (linear: BlockStageInput['linears'][number], value: unknown) => T,
): Record<string, T> {
  const named = fieldsOf(
    given,
    linears.map(({ name }) => name),
  );
  const checked = Object.entries(named).map(([name, value]) => {
    const linear = linears.find((candidate) => candidate.name === name)!;
    return [name, within(name, () => check(linear, value))] as const;
  });
  return Object.fromEntries(checked);
}

async function checkTensors(
  { tensors }: BlockStageInput,
  changed: unknown,
): Promise<Record<string, Float32Array>> {
  const named = fieldsOf(
    changed,
    tensors.map(({ slot }) => slot),
  );
  const checked: Record<string, Float32Array> = {};
  for (const [slot, value] of Object.entries(named)) {
    const tensor = tensors.find((candidate) => candidate.slot === slot)!;
    const length = tensor.shape.reduce((product, size) => product * size, 1);
    const values = arrayOf(slot, 'Float32Array', value, length) as Float32Array;
    checked[slot] = await rounded(tensor, values);
  }
  return checked;
}

/** As it is stored. */
async function rounded({ slot, dtype }: BlockTensor, values: Float32Array): Promise<Float32Array> {
  const stored = await roundTo(dtype, values);
  const at = stored.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return stored;
  throw new EsparseError(
    'numeric',
    `${slot}: element ${at} is ${values[at]!}, which ${dtype} has no number for`,
  );
}

function checkReport(report: unknown): BlockReport {
  const entries = Object.entries(fieldsOf(report, Object.keys(report ?? {})));
  const sound = ([name, value]: [string, unknown]) =>
    name.length <= MAX_WORD &&
    (typeof value === 'string' ? value.length <= MAX_WORD : Number.isFinite(value));
  if (entries.length <= MAX_REPORT && entries.every(sound)) return Object.fromEntries(entries) as BlockReport;
  throw new EsparseError('usage', 'its report is not made of a few finite numbers and short words', {
    hint: `at most ${MAX_REPORT} of them, words of at most ${MAX_WORD} letters`,
  });
}

/** An error that says what it is about. */
function within<T>(what: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    throw new EsparseError(error.kind, `${what}: ${error.message}`, error);
  }
}
