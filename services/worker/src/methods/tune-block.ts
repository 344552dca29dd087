import { EsparseError } from '@esparse/errors';
import { MAX_TILE_BYTES, type TuneBlockReply, type TuneBlockRequest__Output } from '@esparse/protocol';
import { checkShards } from '../gather.ts';
import type { CallContext } from '../handlers.ts';
import { longCall } from '../long-call.ts';
import type { TunedDraft, TunedValues, TuneProgress } from '../tune-draft.ts';
import type { WorkerParts } from './parts.ts';

/** Tunes the draft of a block where its hidden states are read; what comes back is checked and packed by the pruner. */
export async function* tuneBlock(
  { openRun, compute }: WorkerParts,
  { run: ref, block, ...request }: TuneBlockRequest__Output,
  context: CallContext,
): AsyncGenerator<TuneBlockReply> {
  const { signal } = context;
  checkShards(request.shards);
  checkShare('dense', request.dense);
  const { model, store, run, seqlen, branches } = await openRun(ref, context);
  const target = { model, seqlen, branches, store, run, block };
  const tuning = longCall<TuneProgress, TunedDraft>(signal, (port) =>
    compute.call('tune', { target, request, port }),
  );
  const { parameters, report } = yield* tuning;
  for (const tuned of parameters) yield* messagesOf(tuned, signal);
  yield { report };
}

function* messagesOf({ slot, data }: TunedValues, signal: AbortSignal): Generator<TuneBlockReply> {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at < bytes.length; at += MAX_TILE_BYTES) {
    signal.throwIfAborted();
    yield { slot, data: bytes.subarray(at, at + MAX_TILE_BYTES) };
  }
}

/** Steps, batch and the others are checked where they are used. */
function checkShare(name: string, share: number): void {
  if (share >= 0 && share <= 1) return;
  throw new EsparseError('usage', `${name} is ${share}: expected 0 to 1`);
}
