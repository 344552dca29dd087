import { finalize, lastValueFrom, tap } from 'rxjs';
import { abortWith } from '@esparse/dataflow';
import type { WorkerConnection } from '@esparse/protocol';
import { eachShard$ } from './each-shard.ts';
import { denseShards } from './hidden-states.ts';
import { ADVANCE } from './operators/names.ts';
import type { RunContext } from './run-context.ts';
import type { Shard } from './shards.ts';
import { areOnGpus } from './statistics.ts';

/** How workers take hidden states over a block: with its pruned weights, or those of the dense model with its dense ones. */
type Advance = 'advanceShard' | 'advanceDenseShard';

/** Shards that are taken over a block in one way. */
type Pass = readonly [Advance, RunContext['shards']];

/**
 * Runs a committed block with its pruned weights over all shards: their hidden states before the next block. Where the dense
 * model's are needed, too, by a statistic or for figures, these come first: workers still have the block's dense weights.
 *
 * @param ahead - the dense model's, where they were begun before @default they are not
 */
export async function advanceBlock(
  context: RunContext,
  block: number,
  signal?: AbortSignal,
  ahead?: Promise<void>,
): Promise<void> {
  const { options, emit, pool } = context;
  const passes: Pass[] = [
    ...(ahead === undefined ? [densePass(context)] : []),
    ['advanceShard', context.shards],
  ];
  const sequences = passes.flatMap(([, shards]) => shards).reduce((sum, shard) => sum + shard.sequences, 0);
  const total = sequences * options.seqlen;
  let done = 0;
  await ahead;
  for (const pass of passes) {
    await advance(context, block, pass, signal, (tokens) => {
      done += tokens;
      const workers = pool.ready;
      emit({ event: 'progress', block, phase: 'advance', done, total, unit: 'tokens', workers });
    });
  }
}

/**
 * Begins to run the dense model over a block whose statistics are gathered, while its linears are pruned: workers on GPUs have nothing
 * else to do. Undefined where nothing needs that, or something else is to be done by the workers first.
 */
export function advanceDenseAhead(
  context: RunContext,
  block: number,
  signal?: AbortSignal,
): Promise<void> | undefined {
  const pass = densePass(context);
  const isIdle = areOnGpus(context.target.numerics ?? '') && context.blockStages.length === 0;
  if (pass[1].length === 0 || !isIdle) return undefined;
  const begun = advance(context, block, pass, signal);
  // Told to whoever waits for it.
  begun.catch(() => undefined);
  return begun;
}

function densePass(context: RunContext): Pass {
  return ['advanceDenseShard', denseShards(context)];
}

async function advance(
  context: RunContext,
  block: number,
  [how, shards]: Pass,
  signal: AbortSignal | undefined,
  report: (tokens: number) => void = () => undefined,
): Promise<void> {
  const { target, options, stopwatch, meter } = context;
  if (shards.length === 0) return;
  const end = meter.busy(ADVANCE);
  meter.queue(ADVANCE, shards.length);
  const work = {
    kind: 'advance',
    block,
    call: (worker: WorkerConnection, { index }: Shard, cancelled: AbortSignal) =>
      worker[how](target, block, index, cancelled),
  };
  await lastValueFrom(
    eachShard$(context, shards, work).pipe(
      tap((advanced) => {
        const size = advanced.reduce((sum, shard) => sum + shard.sequences * options.seqlen, 0);
        meter.done(ADVANCE, size);
        meter.queue(ADVANCE, -advanced.length);
        report(size);
      }),
      stopwatch.measure('advance'),
      finalize(end),
      abortWith(signal),
    ),
  );
}
