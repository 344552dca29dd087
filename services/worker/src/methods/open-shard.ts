import { EsparseError } from '@esparse/errors';
import {
  MAX_DEVICE_SHARD_BYTES,
  MAX_SHARD_BYTES,
  MAX_SHARD_TOKENS,
  type OpenShardRequest__Output,
} from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import type { CallContext } from '../handlers.ts';
import type { WorkerParts } from './parts.ts';

/** Embeds the tokens of a shard: what is written is what the first block reads. */
export async function openShard(
  { openRun, compute, wholeShards = false }: WorkerParts,
  { run, shard, sequences, tokens }: OpenShardRequest__Output,
  context: CallContext,
): Promise<object> {
  const target = await openRun(run, context);
  const { seqlen, store } = target;
  if (tokens.length !== sequences * seqlen || tokens.length > MAX_SHARD_TOKENS || tokens.length === 0) {
    throw new EsparseError('usage', `shard ${shard}: ${tokens.length} tokens for ${sequences} sequences`);
  }
  const embedded = await compute.call('embed', {
    target,
    tokens: Uint32Array.from(tokens),
    maxBytes: wholeShards ? MAX_DEVICE_SHARD_BYTES : MAX_SHARD_BYTES,
    ...(wholeShards && { rounded: true, key: { store, run: target.run, dense: false, block: 0, shard } }),
  });
  context.signal.throwIfAborted();
  const { hidden } = await openHidden(target.store, target.run);
  await hidden.write(0, shard, { data: embedded.data, shape: [sequences, seqlen, embedded.hidden] });
  return {};
}
