import { free } from '@esparse/kernels';
import { BLOCK_OUTPUT } from '@esparse/model';
import type { ActivationTile, StreamActivationsRequest__Output } from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import { streamTiles } from '../activations.ts';
import { checkNames } from '../gather.ts';
import type { CallContext } from '../handlers.ts';
import { denseStates, requireSameShape } from './dense-states.ts';
import { outputOf, readStates, tapsOf, type WorkerParts } from './parts.ts';

/** The activations of a block over a shard, or its output; each tile is followed by the dense model's rows where they are asked for. */
export async function* streamActivations(
  parts: WorkerParts,
  { run: ref, block, shard, taps, dense: withDense, allTokens }: StreamActivationsRequest__Output,
  context: CallContext,
): AsyncGenerator<ActivationTile> {
  const { signal } = context;
  checkNames('taps', taps);
  const { model, store, run, seqlen, branches } = await parts.openRun(ref, context);
  const stored = await openHidden(store, run);
  const states = await readStates(parts, stored.hidden)(block, shard, signal);
  const dense = withDense
    ? await readStates(parts, denseStates(stored, block))(block, shard, signal)
    : undefined;
  requireSameShape(states, dense);
  const { wholeShards } = parts;
  const options = { block, shard, taps, allTokens, dense, wholeShards, signal };
  const computed = { model, seqlen, branches, block };
  const isOutput = taps.length === 1 && taps[0] === BLOCK_OUTPUT;
  yield* streamTiles(isOutput ? outputOf(parts, computed) : tapsOf(parts, computed), states, options);
}

/** A tap's activations are cut into pieces, in order: with the last one sent, all of them may be freed. */
export function freeLastPiece({ data }: ActivationTile): void {
  const { buffer, byteOffset, byteLength } = data as Buffer;
  if (byteOffset + byteLength === buffer.byteLength) free(new Uint8Array(buffer));
}
