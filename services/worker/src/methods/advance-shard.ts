import type { AdvanceShardRequest__Output } from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import { advanceStates } from '../activations.ts';
import type { CallContext } from '../handlers.ts';
import { denseStates } from './dense-states.ts';
import { advanceOf, readStates, type WorkerParts } from './parts.ts';

/** Runs a block over a shard, with the weights that the run has committed. */
export async function advanceShard(
  parts: WorkerParts,
  { run: ref, block, shard }: AdvanceShardRequest__Output,
  context: CallContext,
): Promise<object> {
  const { model, store, run, seqlen, branches } = await parts.openRun(ref, context);
  const { hidden } = await openHidden(store, run);
  const states = await readStates(parts, hidden)(block, shard, context.signal);
  const advance = advanceOf(parts, { model, seqlen, branches, block, pruned: { store, run } });
  await hidden.write(
    block + 1,
    shard,
    await advanceStates(advance, states, context.signal, parts.wholeShards),
  );
  return {};
}

/** The same of the dense model's own hidden states, with the dense weights. */
export async function advanceDenseShard(
  parts: WorkerParts,
  { run: ref, block, shard }: AdvanceShardRequest__Output,
  context: CallContext,
): Promise<object> {
  const { model, store, run, seqlen, branches } = await parts.openRun(ref, context);
  const stored = await openHidden(store, run);
  const dense = denseStates(stored, block);
  const states = await readStates(parts, dense)(block, shard, context.signal);
  const advance = advanceOf(parts, { model, seqlen, branches, block });
  await stored.hiddenDense.write(
    block + 1,
    shard,
    await advanceStates(advance, states, context.signal, parts.wholeShards),
  );
  return {};
}
