import { isDeepStrictEqual } from 'node:util';
import { blockCases, HIDDEN, keptOf, SEQLEN, showBlock, statesOf, type BlockCase } from './block-cases.ts';
import { dealtOrder } from './linear-cases.ts';
import { everyCase, must, type LawOptions } from './every-case.ts';
import { NOT_FINITE } from './stage-laws.ts';

/** What the laws need of a block stage: any `BlockStage` of esparse is one. */
export interface LawfulBlockStage {
  readonly name: string;
  readonly states: 'none' | 'pruned' | 'both';
  run(input: never, context: never): Promise<BlockResult>;
}

interface Integers {
  readonly bits: number;
  readonly span: number;
  readonly integers: Int8Array;
  readonly scales: Uint16Array;
}

interface BlockResult {
  readonly weights?: Readonly<Record<string, Uint16Array>>;
  readonly integers?: Readonly<Record<string, Integers>>;
  readonly tensors?: Readonly<Record<string, Float32Array>>;
  readonly report?: Readonly<Record<string, number | string>>;
}

/** All bits but the sign. */
const MAGNITUDE = 0x7fff;

/**
 * Checks the laws of a block stage on drawn blocks: masks and shapes are kept, all is finite, the same block gives the same,
 * progress only grows and stays within its total, and a stage that is cancelled ends, and reports no step after that.
 * `context.tune` gives the block back as it is.
 *
 * @throws Error that names stage, law and a block that breaks it
 */
export async function blockStageLaws(stage: LawfulBlockStage, options: LawOptions = {}): Promise<void> {
  const runOnce = async (example: BlockCase) => {
    const steps = watchSteps();
    const { context } = contextOf(example, new AbortController().signal, steps.progress);
    return stage.run(inputOf(stage, example, new AbortController().signal) as never, context as never);
  };
  const check = async (example: BlockCase) => {
    const result = await runOnce(example);
    checkResult(example, result);
    const kept = copyOf(result);
    const again = copyOf(await runOnce(example));
    must(isDeepStrictEqual(again, kept), 'the same block gives another result');
    await checkCancelled(stage, example);
  };
  await everyCase(`block stage ${stage.name}`, blockCases, check, showBlock, options);
}

/** In memory of its own: a stage may use the same again. */
function copyOf({
  weights = {},
  integers = {},
  tensors = {},
  report = {},
}: BlockResult): Required<BlockResult> {
  const copies = <A extends Uint16Array | Float32Array>(arrays: Readonly<Record<string, A>>) =>
    Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, array.slice() as A]));
  const whole = Object.entries(integers).map(([name, of]) => {
    return [name, { ...of, integers: of.integers.slice(), scales: of.scales.slice() }];
  });
  return {
    ...{ weights: copies(weights), tensors: copies(tensors), report: { ...report } },
    integers: Object.fromEntries(whole) as Record<string, Integers>,
  };
}

function checkResult(
  { linears, norm }: BlockCase,
  { weights = {}, integers = {}, tensors = {}, report = {} }: BlockResult,
) {
  for (const [name, changed] of Object.entries(weights)) {
    const linear = linears.find((_, i) => nameOf(i) === name);
    must(linear !== undefined, `it gives weights of ${name}, which is none of the block's linears`);
    const { rows, cols, dtype } = linear;
    must(changed.length === rows * cols, `${changed.length} weights for ${name} of ${rows} x ${cols}`);
    const infinite = changed.findIndex((bits) => (bits & NOT_FINITE[dtype]) === NOT_FINITE[dtype]);
    must(infinite < 0, `weight ${infinite} of ${name} is not finite`);
    const kept = keptOf(linear);
    const outside = changed.findIndex((bits, i) => kept[i] === 0 && (bits & MAGNITUDE) !== 0);
    must(outside < 0, `weight ${outside} of ${name} is pruned, and not 0`);
  }
  for (const [name, { integers: whole, scales }] of Object.entries(integers)) {
    const linear = linears.find((_, i) => nameOf(i) === name);
    must(linear !== undefined, `it gives integers of ${name}, which is none of the block's linears`);
    const { rows, cols } = linear;
    must(whole.length === rows * cols, `${whole.length} integers for ${name} of ${rows} x ${cols}`);
    const unusable = scales.findIndex((bits) => (bits & MAGNITUDE) === 0 || (bits & 0x7f80) === 0x7f80);
    must(unusable < 0, `scale ${unusable} of ${name} is zero or not finite`);
  }
  for (const [slot, changed] of Object.entries(tensors)) {
    must(slot === NORM, `it gives a tensor ${slot}, which the block has not`);
    must(changed.length === norm.length, `${changed.length} elements for ${slot} of ${norm.length}`);
    must(changed.every(Number.isFinite), `${slot} is not finite`);
  }
  for (const [name, value] of Object.entries(report))
    must(typeof value === 'string' || Number.isFinite(value), `${name} of its report is ${value}`);
}

/** Cancels at the first step that is reported, or at the first sequence that is read. */
async function checkCancelled(stage: LawfulBlockStage, example: BlockCase): Promise<void> {
  const controller = new AbortController();
  const steps = watchSteps(() => {
    controller.abort(new Error('cancelled'));
  });
  const { context } = contextOf(example, controller.signal, steps.progress);
  const input = inputOf(stage, example, controller.signal);
  await stage.run(input as never, context as never).catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  must(steps.seen() <= 1, `it reported ${steps.seen() - 1} more steps after it was cancelled`);
}

/** Progress that is checked as it comes. */
function watchSteps(first: () => void = () => undefined) {
  let seen = 0;
  let [before, of] = [0, 0];
  return {
    seen: () => seen,
    progress(done: number, total: number) {
      // Another total is another part of the work, such as tuning after reading.
      const since = total === of ? before : 0;
      must(done >= since && done <= total && total > 0, `its progress is ${done} of ${total} after ${since}`);
      [before, of] = [done, total];
      if (++seen === 1) first();
    },
  };
}

const NORM = 'norm';

function nameOf(linear: number): string {
  return `linear-${linear}`;
}

function weightsOf(linear: BlockCase['linears'][number]): Uint16Array {
  const kept = keptOf(linear);
  return Uint16Array.from(linear.bits, (bits, i) => (kept[i] === 1 ? bits : 0));
}

function inputOf({ states: chains }: LawfulBlockStage, example: BlockCase, signal: AbortSignal) {
  const { linears, norm, sequences } = example;
  return {
    block: 1,
    program: [{ op: 'rmsNorm', input: 'hidden', output: 'output', weight: NORM }],
    linears: linears.map((linear, i) => {
      const { rows, cols, dtype, pattern } = linear;
      return {
        ...{ name: nameOf(i), tap: 'in', rows, cols, dtype, pattern, permutation: dealtOrder(linear) },
        weights: () => Promise.resolve(weightsOf(linear)),
        kept: () => Promise.resolve(keptOf(linear)),
      };
    }),
    tensors: [
      {
        ...{ slot: NORM, shape: [HIDDEN], dtype: 'f32' },
        values: () => Promise.resolve(Float32Array.from(norm)),
      },
    ],
    ...{ sequences, seqlen: SEQLEN, hidden: HIDDEN },
    async *states() {
      must(chains !== 'none', 'it reads states, and said that it needs none');
      for (let sequence = 0; sequence < sequences; sequence++) {
        await Promise.resolve();
        signal.throwIfAborted();
        const [input, output, dense] = [0, 1, 2].map((chain) => statesOf(example, chain, sequence));
        yield { sequence, input, output, ...(chains === 'both' && { dense }) };
      }
    },
  };
}

function contextOf(
  { linears, norm }: BlockCase,
  signal: AbortSignal,
  progress: (done: number, total: number) => void,
) {
  const tune = async ({
    steps,
  }: {
    readonly steps: number;
  }): Promise<Omit<Required<BlockResult>, 'integers'>> => {
    for (let step = 1; step <= Math.min(steps, STEPS); step++) {
      await Promise.resolve();
      signal.throwIfAborted();
      progress(step, Math.min(steps, STEPS));
    }
    return {
      weights: Object.fromEntries(linears.map((linear, i) => [nameOf(i), weightsOf(linear)])),
      tensors: { [NORM]: Float32Array.from(norm) },
      report: { lossBefore: 1, lossAfter: 1 },
    };
  };
  return { context: { signal, note: () => undefined, progress, tune } };
}

/** Steps that a call of `tune` reports at most: enough to be cancelled between two. */
const STEPS = 3;
