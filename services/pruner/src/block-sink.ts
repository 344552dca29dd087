import type { BlockSink, BlockStageReport, PrunedLinear, TapReadings } from '@esparse/dataflow';
import { tapsOf } from '@esparse/model';
import { freeLinear, type StarvedExpert, statisticPath, writeLinear } from '@esparse/model-store';
import type { Commit, Transaction } from '@esparse/store';
import { boundaryError } from './boundary-error.ts';
import { writeBlockTensors } from './block-tensors.ts';
import { COMMIT } from './operators/names.ts';
import type { RunContext } from './run-context.ts';
import { writeTapFigures } from './tap-figures.ts';

/** What is found out of a block while its linears are pruned. */
export interface BlockFindings {
  readonly block: number;
  /** Those that are kept, by tap. */
  readonly readings: Map<string, TapReadings>;
  /** Its experts that are pruned by the statistics of all tokens. */
  readonly starved: StarvedExpert[];
  /** What block stages have changed beside the pruned linears, by slot. */
  readonly tensors: Map<string, Float32Array>;
  /** What they have found. */
  readonly reports: BlockStageReport[];
}

/**
 * A block's transaction as the end of its stream: each pruned linear is written as it comes, and behind it the statistics of taps that
 * have come since, for the report: others are pruned meanwhile. The commit adds what is not pruned (norms, biases, linears that stay
 * dense).
 */
export function blockSink(
  context: RunContext,
  { block, readings, starved, tensors, reports }: BlockFindings,
  signal?: AbortSignal,
): BlockSink<PrunedLinear, Commit> {
  const { writer, stopwatch, meter } = context;
  // Begun with the first linear: until then there is nothing that would have to be taken back.
  let begun: Transaction | undefined;
  const begin = () => (begun ??= writer.beginBlock(block));
  const written = new Set<string>();
  const writeTaps = async (transaction: Transaction) => {
    const come = new Map([...readings].filter(([tap]) => !written.has(tap)));
    for (const tap of come.keys()) written.add(tap);
    await writeReadings(context, transaction, block, come);
    for (const [tap, found] of come) await writeTapFigures(transaction, tap, found);
  };
  return {
    write: ({ job, packed, keptBefore, keptAfter, figures }) =>
      stopwatch.time('commit', async () => {
        const end = meter.busy(COMMIT);
        meter.queue(COMMIT, -1);
        await writeLinear(begin(), job.name, packed, {
          keptScore: { before: keptBefore, after: keptAfter },
          figures: figures?.scores && { totalScore: figures.scores.total, meanScore: figures.scores.mean },
          outputError: figures?.outputError,
        });
        freeLinear(packed);
        await writeTaps(begin());
        meter.done(COMMIT, 1);
        end();
      }),
    commit: () =>
      stopwatch.time('commit', async () => {
        const end = meter.busy(COMMIT);
        const transaction = begin();
        await writeBlockTensors(context, transaction, block, tensors, signal);
        await writeTaps(transaction);
        const inputError = await boundaryError(context, block, signal);
        const committed = await transaction.commit({
          block,
          ...(inputError !== undefined && { inputError }),
          ...(starved.length > 0 && { starvedExperts: starved }),
          ...(reports.length > 0 && { stages: reports.map(({ stage, report }) => ({ stage, ...report })) }),
        });
        end();
        return committed;
      }),
    abort: () => begun?.abort() ?? Promise.resolve(),
  };
}

/**
 * Keeps the readings of each tap that are a number for each channel: matrices would outweigh the weights. Where two parts
 * of a pipeline have different ones of one name, those of the first are kept.
 */
async function writeReadings(
  { description, metric, stages }: RunContext,
  transaction: Transaction,
  block: number,
  readings: ReadonlyMap<string, TapReadings>,
): Promise<void> {
  const named = [metric, ...stages].flatMap(({ statistics }) => Object.entries(statistics));
  for (const { name: tap, channels } of tapsOf(description, block)) {
    const written = new Set<string>();
    for (const [name, reader] of named) {
      const data = readings.get(tap)?.get(reader);
      if (!(data instanceof Float32Array) || data.length !== channels || written.has(name)) continue;
      await transaction.putArray(statisticPath(tap, name), { data, shape: [channels] });
      written.add(name);
    }
  }
}
