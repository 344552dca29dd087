import type { BlockSink, ChannelStatistics, PrunedLinear } from '@esparse/dataflow';
import { free } from '@esparse/kernels';
import { densePath, statisticPath, writeDense, writeLinear } from '@esparse/model-store';
import type { Commit, Transaction } from '@esparse/store';
import type { RunContext } from './run-context.ts';

/**
 * A block's transaction as the end of its stream: each pruned linear is written as it comes; with the commit go what
 * stays dense (norms, biases, linears that were skipped) and the statistics of the taps, for the report.
 */
export function blockSink(
  context: RunContext,
  block: number,
  statistics: ReadonlyMap<string, ChannelStatistics>,
  signal?: AbortSignal,
): BlockSink<PrunedLinear, Commit> {
  const { writer, stopwatch, checkpoint, description, skipped } = context;
  const transaction = writer.beginBlock(block);
  return {
    write: ({ job, packed, keptBefore, keptAfter }) =>
      stopwatch.time('commit', async () => {
        await writeLinear(transaction, job.name, packed, { before: keptBefore, after: keptAfter });
        for (const array of [packed.values, packed.indices]) free(array);
      }),
    commit: () =>
      stopwatch.time('commit', async () => {
        const dense = [...description.blockTensors(block).map(({ name }) => name)];
        for (const linear of skipped) dense.push(linear.weight(block));
        for (const name of dense) await writeDense(transaction, densePath(name), checkpoint, name, signal);
        await writeStatistics(transaction, statistics);
        return transaction.commit({ block });
      }),
    abort: () => transaction.abort(),
  };
}

async function writeStatistics(
  transaction: Transaction,
  statistics: ReadonlyMap<string, ChannelStatistics>,
): Promise<void> {
  for (const [tap, ofTap] of statistics) {
    for (const [name, data] of Object.entries(ofTap)) {
      await transaction.putArray(statisticPath(tap, name), { data, shape: [data.length] });
    }
  }
}
