import { EsparseError } from '@esparse/errors';
import {
  MAX_SHARD_TOKENS,
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
  requireProtocol,
  type ActivationTile,
  type RunRef__Output,
  type WorkerHandlers,
} from '@esparse/protocol';
import { openHidden } from '@esparse/store';
import { free } from '@esparse/kernels';
import type { Logger } from 'pino';
import { SEQUENCES_AHEAD, sequencesOf, streamTiles } from './activations.ts';
import { mapAhead } from './ahead.ts';
import type { ModelTarget } from './compute.ts';
import { serverStream, unary } from './handlers.ts';
import type { PathGuard } from './roots.ts';
import type { ComputeThread } from './start-compute.ts';

export interface WorkerServiceOptions {
  readonly threads: number;
  readonly compute: ComputeThread;
  readonly guard: PathGuard;
  readonly log: Logger;
}

/** What a call works on, checked. */
interface Target extends ModelTarget {
  readonly store: string;
  readonly run: string;
}

/** The methods of `esparse.v1.Worker`: paths are guarded, hidden states read and written here, the rest computed. */
export function createWorkerService({ threads, compute, guard, log }: WorkerServiceOptions): WorkerHandlers {
  const targetOf = async (ref: RunRef__Output | null): Promise<Target> => {
    if (ref === null) throw new EsparseError('protocol', 'the request names no run');
    requireProtocol(ref.protocolVersion, 'the pruner');
    if (!/^[0-9a-f]{8,64}$/.test(ref.run)) throw new EsparseError('usage', 'the run is not a fingerprint');
    return {
      model: await guard('model', ref.model),
      store: await guard('store', ref.store),
      run: ref.run,
      seqlen: ref.seqlen,
    };
  };

  return {
    Describe: unary(log, 'Describe', ({ protocolVersion }) => {
      requireProtocol(protocolVersion, 'the pruner');
      return Promise.resolve({
        protocolVersion: PROTOCOL_VERSION,
        softwareVersion: SOFTWARE_VERSION,
        threads,
        peakResidentBytes: process.resourceUsage().maxRSS * 1024,
      });
    }),

    OpenModel: unary(log, 'OpenModel', async ({ run }) => compute.call('openModel', await targetOf(run))),

    OpenShard: unary(log, 'OpenShard', async ({ run, shard, sequences, tokens }) => {
      const target = await targetOf(run);
      if (
        tokens.length !== sequences * target.seqlen ||
        tokens.length > MAX_SHARD_TOKENS ||
        tokens.length === 0
      ) {
        throw new EsparseError('usage', `shard ${shard}: ${tokens.length} tokens for ${sequences} sequences`);
      }
      const { data, hidden } = await compute.call('embed', { target, tokens: Uint32Array.from(tokens) });
      const states = await openHidden(target.store, target.run);
      await states.write(0, shard, { data, shape: [sequences, target.seqlen, hidden] });
      return {};
    }),

    StreamActivations: serverStream(
      log,
      'StreamActivations',
      async function* ({ run, block, shard, taps }, signal) {
        const { store, run: fingerprint, model, seqlen } = await targetOf(run);
        await compute.call('openModel', { model, seqlen });
        const states = await openHidden(store, fingerprint);
        const input = await states.read(block, shard, signal);
        const target = { model, seqlen, block };
        yield* streamTiles((hidden) => compute.call('taps', { target, hidden }), input, {
          block,
          shard,
          taps,
          signal,
        });
      },
      freeLastPiece,
    ),

    AdvanceShard: unary(log, 'AdvanceShard', async ({ run, block, shard }, signal) => {
      const { store, run: fingerprint, model, seqlen } = await targetOf(run);
      const states = await openHidden(store, fingerprint);
      const { data, shape } = await states.read(block, shard, signal);
      const target = { model, seqlen, block, pruned: { store, run: fingerprint } };
      const out = new Float32Array(data.length);
      let filled = 0;
      const sequences = sequencesOf({ data, shape });
      const advance = (hidden: Float32Array) => compute.call('advance', { target, hidden });
      for await (const advanced of mapAhead(sequences, SEQUENCES_AHEAD, advance)) {
        signal.throwIfAborted();
        out.set(advanced, filled);
        filled += advanced.length;
      }
      await states.write(block + 1, shard, { data: out, shape });
      return {};
    }),
  };
}

/** A tap's activations are cut into pieces, in order: with the last one sent, all of them may go. */
function freeLastPiece({ data }: ActivationTile): void {
  const { buffer, byteOffset, byteLength } = data as Buffer;
  if (byteOffset + byteLength === buffer.byteLength) free(new Uint8Array(buffer));
}
