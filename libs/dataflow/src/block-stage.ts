import { EsparseError } from '@esparse/errors';
import { concatMap, Subject, type OperatorFunction } from 'rxjs';
import {
  isPacked,
  keptIn,
  packQuantized,
  repackLinear,
  survivorsOf,
  unpackLinear,
  type BlockLinear,
  type BlockReport,
  type BlockStage,
  type BlockStageContext,
  type BlockStageInput,
  type BlockStageResult,
  type BlockTensor,
  type IntegerWeights,
  type TunedResult,
} from '@esparse/sparsity';
import { checkBlockResult } from './block-stage-result.ts';
import { blamed, guarded, type GuardOptions } from './guard.ts';
import type { PrunedLinear } from './linear.ts';

/** A block of which every linear is pruned, as it would be committed. */
export interface PrunedBlock {
  readonly block: number;
  readonly linears: readonly PrunedLinear[];
  /** Those beside the pruned linears that block stages have changed, by slot: f32, as they will be rounded. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** What block stages have found, in their order. */
  readonly reports: readonly BlockStageReport[];
}

/** What a block stage has found. */
export interface BlockStageReport {
  readonly stage: string;
  readonly report: BlockReport;
}

/** What a block stage gets of a block, but for what the block's linears and changed tensors say themselves. */
export type BlockSurroundings = Omit<BlockStageInput, 'linears' | 'block'>;

/** How the block stages of a run are carried out. */
export interface BlockStageOptions {
  /** The block as it was before any block stage, but for its linears. */
  readonly surroundings: BlockSurroundings;
  readonly note: (message: string) => void;
  readonly progress: (done: number, total: number) => void;
  /** Tunes the block as it has become so far. */
  readonly tune: (block: PrunedBlock, ...rest: Parameters<Tune>) => ReturnType<Tune>;
  readonly guard?: GuardOptions;
}

type Tune = (
  request: Parameters<BlockStageContext['tune']>[0],
  context: Pick<BlockStageContext, 'note' | 'progress' | 'signal'>,
) => Promise<TunedResult>;

/** Runs block stages one after the other: each gets the block as the one before has left it. */
export function blockStages(
  steps: readonly BlockStage[],
  optionsOf: (block: PrunedBlock) => BlockStageOptions,
): OperatorFunction<PrunedBlock, PrunedBlock> {
  return (blocks$) => steps.reduce((through$, step) => through$.pipe(blockStage(step, optionsOf)), blocks$);
}

/**
 * Runs one block stage. Survivors' weights, and what stands beside the pruned linears, are replaced by what it gives; masks and
 * orders stay as they are. A call that reports progress may take as long as it needs.
 */
function blockStage(
  step: BlockStage,
  optionsOf: (block: PrunedBlock) => BlockStageOptions,
): OperatorFunction<PrunedBlock, PrunedBlock> {
  return concatMap((pruned) => {
    const { block, linears } = pruned;
    const { surroundings, guard, tune, note, progress } = optionsOf(pruned);
    const beats$ = new Subject<void>();
    const report = {
      signal: guard?.signal,
      note: (message: string) => {
        note(`block ${block}: ${step.name}: ${message}`);
      },
      progress: (done: number, total: number) => {
        beats$.next();
        progress(done, total);
      },
    };
    const context: BlockStageContext = { ...report, tune: (request) => tune(pruned, request, report) };
    const input: BlockStageInput = {
      ...surroundings,
      block,
      linears: linears.map(linearOf),
      tensors: surroundings.tensors.map((tensor) => changedTensor(tensor, pruned)),
    };
    return guarded(
      { plugin: `block stage ${step.name}`, where: `block ${block}`, context: { block } },
      // What it gives is checked and packed within the call, so that what is wrong with it is blamed on the stage.
      async () => {
        const result = await checkBlockResult(input, await step.run(input, context));
        return changedBlock(pruned, step.name, result);
      },
      (changed) => changed,
      {
        ...guard,
        beats$,
        borrowed: Object.fromEntries(
          input.linears.map(({ name, permutation }) => [`order of ${name}`, permutation]),
        ),
      },
    );
  });
}

function linearOf({ job, packed }: PrunedLinear): BlockLinear {
  if (!isPacked(packed)) throw quantizedAlready(job);
  const { name, tap } = job;
  const { rows, cols, dtype, pattern, permutation } = packed;
  return {
    ...{ name, tap, rows, cols, dtype, pattern, permutation },
    weights: () => unpackLinear(packed),
    kept: () => keptIn(packed),
  };
}

function changedTensor(tensor: BlockTensor, { tensors }: PrunedBlock): BlockTensor {
  const changed = tensors.get(tensor.slot);
  return changed === undefined ? tensor : { ...tensor, values: () => Promise.resolve(changed.slice()) };
}

async function changedBlock(
  { block, linears, tensors, reports }: PrunedBlock,
  stage: string,
  result: BlockStageResult,
): Promise<PrunedBlock> {
  const { weights = {}, integers = {}, report } = result;
  const changed: PrunedLinear[] = [];
  // One after the other: each takes several times its packed size while it is packed.
  for (const linear of linears) {
    const { name } = linear.job;
    const own = weights[name];
    const packed = own === undefined ? linear.packed : await repack(linear, own);
    const whole = integers[name];
    changed.push({
      ...linear,
      packed: whole === undefined ? packed : await asIntegers({ ...linear, packed }, whole),
    });
  }
  return {
    block,
    linears: changed,
    tensors: new Map([...tensors, ...Object.entries(result.tensors ?? {})]),
    reports: report === undefined ? reports : [...reports, { stage, report }],
  };
}

/** @throws EsparseError 'usage' where a weight outside the mask is not 0 */
async function repack({ job, packed }: PrunedLinear, weights: Uint16Array): Promise<PrunedLinear['packed']> {
  if (!isPacked(packed)) throw quantizedAlready(job);
  try {
    return await repackLinear(packed, weights);
  } catch (error) {
    throw blamed({ plugin: 'its weights', where: job.name }, error);
  }
}

/** Its survivors as integers, under the same mask and in the same order. */
async function asIntegers(
  { job, packed }: PrunedLinear,
  integers: IntegerWeights,
): Promise<PrunedLinear['packed']> {
  if (!isPacked(packed)) throw quantizedAlready(job);
  return packQuantized(integers, packed, survivorsOf(await keptIn(packed), packed));
}

/** A block stage changes weights, of which a stage before has made integers. */
function quantizedAlready({ name }: PrunedLinear['job']): EsparseError {
  return new EsparseError(
    'usage',
    `${name} is quantized already: a block stage changes weights before that`,
    {
      hint: 'leave the stage that quantizes out of the pipeline',
    },
  );
}
