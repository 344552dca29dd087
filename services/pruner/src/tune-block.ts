import { lastValueFrom } from 'rxjs';
import { abortWith, type BlockStageOptions, type PrunedBlock } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import { weightSlot, type LinearSpec } from '@esparse/model';
import { writeLinear } from '@esparse/model-store';
import type { TuneBlockRequest, WorkerConnection } from '@esparse/protocol';
import { SCALE_GROUP, type BlockReport, type TuneRequest } from '@esparse/sparsity';
import { commitWith } from '@esparse/store';
import { attempt$ } from './attempt.ts';
import { audible } from './audible.ts';
import { writeBlockTensors } from './block-tensors.ts';
import { product } from './plan/sum.ts';
import type { RunContext } from './run-context.ts';
import { tunedDense } from './tuned-dense.ts';
import { readTuned, type TunedReply } from './tuned-reply.ts';
import { DENSE_BITS } from './write-dense-matrix.ts';

type Tune = BlockStageOptions['tune'];

/**
 * Tunes a block on one worker while the others wait: a step follows from the one before. The block as it is goes into the store as
 * a draft, where any worker finds it, so that another can begin anew where one is lost.
 */
export function tuneBlock(context: RunContext): Tune {
  return async (pruned, request, { progress, signal }) => {
    const { pool, target } = context;
    const { block } = pruned;
    const dense = await tunedDense(context, block, signal);
    const asked = { ...requestOf(context, block, request), ...denseRounding(context, dense) };
    await writeDraft(context, pruned, signal);
    const expected = expectedOf(context, pruned, dense);
    const attempt = async (worker: WorkerConnection, cancelled: AbortSignal): Promise<TunedReply> => {
      const messages = audible(worker.tuneBlock(target, asked, cancelled), worker.address);
      return readTuned(messages, expected, { worker: worker.address, progress });
    };
    const { weights, tensors, report } = await lastValueFrom(
      pool
        .run$({
          kind: 'tune',
          size: asked.steps * asked.batch * target.seqlen,
          ids: { block, shards: asked.shards },
          run$: (worker) => attempt$((cancelled) => attempt(worker, cancelled)),
        })
        .pipe(abortWith(signal)),
    );
    await context.writer.removeDrafts();
    return { weights, tensors, report: reportOf(report) };
  };
}

/** @throws EsparseError 'usage' where the stage did not say that it needs the hidden states that this takes */
function requestOf(
  { shards, options, needsDense, blockStages }: RunContext,
  block: number,
  { steps, batch, learningRate, dense, heldOut, loss, samples = options.samples, rounding }: TuneRequest,
): TuneBlockRequest {
  if (blockStages.every(({ states }) => states === 'none') || (dense > 0 && !needsDense)) {
    const needed = dense > 0 ? 'both' : 'pruned';
    throw new EsparseError('usage', `tuning takes hidden states that the stage did not ask for`, {
      hint: `define it with states: '${needed}'`,
    });
  }
  const sequences = Math.min(samples, options.samples);
  const used: number[] = [];
  let held = 0;
  for (const shard of shards) {
    if (held >= sequences) break;
    used.push(shard.index);
    held += shard.sequences;
  }
  // In every block the same sequences are held out.
  const { seed } = options;
  const integers = rounding && { bits: rounding.bits, group: rounding.group, rounded: [...rounding.linears] };
  const relative = loss === 'relative';
  return {
    ...{ block, shards: used, sequences, steps, batch, learningRate, dense, heldOut, seed, relative },
    ...integers,
  };
}

/** What is said of those linears that are not pruned and tuned as integers. */
function denseRounding(
  { options: { denseValues } }: RunContext,
  dense: readonly LinearSpec[],
): Pick<TuneBlockRequest, 'denseRounding'> {
  if (denseValues === undefined || dense.length === 0) return {};
  const linears = dense.map(({ name }) => name);
  return { denseRounding: { bits: DENSE_BITS[denseValues], group: SCALE_GROUP, linears } };
}

/** What the block would be committed as, but for matrices that are not pruned: these are not rounded yet. */
async function writeDraft(
  context: RunContext,
  { block, linears, tensors }: PrunedBlock,
  signal?: AbortSignal,
): Promise<void> {
  const unrounded = { ...context, options: { ...context.options, denseValues: undefined } };
  await commitWith(await context.writer.beginDraft(block), { block }, async (transaction) => {
    for (const { job, packed, keptBefore, keptAfter } of linears) {
      signal?.throwIfAborted();
      await writeLinear(transaction, job.name, packed, {
        keptScore: { before: keptBefore, after: keptAfter },
      });
    }
    await writeBlockTensors(unrounded, transaction, block, tensors, signal);
  });
}

/** What comes back: of each pruned linear, of each norm and bias, and of those linears that are tuned as integers. */
function expectedOf(
  { description }: RunContext,
  { block, linears }: PrunedBlock,
  dense: readonly LinearSpec[],
) {
  const others = description
    .blockTensors(block)
    .map(({ slot, shape }) => ({ slot, elements: product(shape) }));
  const matrices = dense.map(({ name, rows, cols }) => ({ slot: weightSlot(name), elements: rows * cols }));
  return {
    linears: linears.map(({ job }) => ({ name: job.name, elements: job.rows * job.cols })),
    tensors: [...others, ...matrices],
  };
}

/** Losses may be no numbers where tuning failed: a report has words for these. */
function reportOf(report: TunedReply['report']): BlockReport {
  return Object.fromEntries(
    Object.entries(report).map(([name, value]) => [
      name,
      typeof value === 'string' || Number.isFinite(value) ? value : String(value),
    ]),
  );
}
