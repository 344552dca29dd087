import type { AdvanceShardRequest__Output } from '@esparse/protocol';
import { openHidden, type HiddenStates } from '@esparse/store';
import { advanceStates } from '../activations.ts';
import type { BlockTarget } from '../compute-inputs.ts';
import type { CallContext } from '../handlers.ts';
import type { StatesKey } from '../kept-states.ts';
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
  const target = { model, seqlen, branches, block, pruned: { store, run } };
  const place = { store, run, dense: false, shard };
  await advanced(parts, { target, place, from: hidden, to: hidden }, context);
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
  const target = { model, seqlen, branches, block };
  const place = { store, run, dense: true, shard };
  await advanced(parts, { target, place, from: dense, to: stored.hiddenDense }, context);
  return {};
}

interface Advance {
  readonly target: BlockTarget;
  readonly place: Omit<StatesKey, 'block'>;
  readonly from: HiddenStates;
  readonly to: HiddenStates;
}

/** Runs a shard through a block, from where its states are, or are kept, to the store. */
async function advanced(parts: WorkerParts, { target, place, from, to }: Advance, { signal }: CallContext) {
  const { block } = target;
  const { shard } = place;
  const read = () => readStates(parts, from)(block, shard, signal);
  if (parts.wholeShards !== true) {
    await to.write(block + 1, shard, await advanceStates(advanceOf(parts, target), await read(), signal));
    return;
  }
  const { compute, metrics } = parts;
  const input = { target, to: { ...place, block: block + 1 } };
  // Before the first block the dense model's are the same.
  const key = { ...place, dense: place.dense && block > 0, block };
  const states =
    (await compute.call('advanceShard', { ...input, from: { key } })) ??
    (await compute.call('advanceShard', { ...input, from: { key, read: await read() } }));
  signal.throwIfAborted();
  for (let s = 0; s < states!.shape[0]!; s++) metrics?.sequence(block);
  await to.write(block + 1, shard, states!);
  await compute.call('reuse', states!.data as Uint16Array);
}
