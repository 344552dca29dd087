import { EsparseError } from '@esparse/errors';
import {
  MAX_SHARD_TOKENS,
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
  identityMetadata,
  requireIdentity,
  requireProtocol,
  type ActivationTile,
  type AdvanceShardRequest__Output,
  type RunRef__Output,
  type WorkerHandlers,
} from '@esparse/protocol';
import { openHidden, type HiddenShard, type HiddenStates, type RunHiddenStates } from '@esparse/store';
import { peakResidentBytes } from '@esparse/telemetry';
import { free } from '@esparse/kernels';
import type { Logger } from 'pino';
import { advanceStates, streamTiles } from './activations.ts';
import type { ModelTarget } from './compute.ts';
import { checkNames, checkShards, foldShards, statisticsOf } from './gather.ts';
import { serverStream, unary, type CallContext } from './handlers.ts';
import type { WorkerMetrics } from './metrics.ts';
import type { PathGuard } from './roots.ts';
import type { ComputeThread } from './start-compute.ts';
import type { Turns } from './turns.ts';

export interface WorkerServiceOptions {
  readonly threads: number;
  readonly compute: ComputeThread;
  readonly guard: PathGuard;
  /** Calls that compute take turns. */
  readonly turns: Turns;
  readonly log: Logger;
  readonly metrics?: WorkerMetrics | undefined;
  /** Aborts what still runs when the worker stops. */
  readonly stopping: AbortSignal;
}

/** What a call works on, checked. */
interface Target extends ModelTarget {
  readonly store: string;
  readonly run: string;
}

/** The methods of `esparse.v1.Worker`: paths are guarded, hidden states read and written here, the rest computed. */
export function createWorkerService(options: WorkerServiceOptions): WorkerHandlers {
  const { threads, compute, guard, turns, metrics } = options;
  const counted = async <R>(block: number, result: Promise<R>): Promise<R> => {
    const value = await result;
    metrics?.sequence(block);
    return value;
  };
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

  /** Opens the model, tells who answers, and refuses a run that was begun with other numerics or another model. */
  const openFor = async (ref: RunRef__Output | null, { tell }: CallContext): Promise<Target> => {
    const target = await targetOf(ref);
    const identity = await compute.call('openModel', { model: target.model, seqlen: target.seqlen });
    tell(identityMetadata(identity));
    requireIdentity({ numerics: ref!.numerics, modelDigest: ref!.modelDigest }, identity, 'this worker');
    return target;
  };

  /** Runs a block over a shard: with the weights that the run has committed, or with the dense ones. */
  const advance = (
    { run, block, shard }: AdvanceShardRequest__Output,
    context: CallContext,
    weights: 'pruned' | 'dense',
  ) =>
    turns.take(context.signal, async () => {
      const { signal } = context;
      const { store, run: fingerprint, model, seqlen } = await openFor(run, context);
      const stored = await openHidden(store, fingerprint);
      const [from, to] =
        weights === 'pruned'
          ? [stored.hidden, stored.hidden]
          : [denseStates(stored, block), stored.hiddenDense];
      const states = await from.read(block, shard, signal);
      const pruned = weights === 'pruned' ? { store, run: fingerprint } : undefined;
      const target = { model, seqlen, block, pruned };
      const runOne = (hidden: Float32Array) => counted(block, compute.call('advance', { target, hidden }));
      await to.write(block + 1, shard, await advanceStates(runOne, states, signal));
      return {};
    });

  return {
    Describe: unary(options, 'Describe', ({ protocolVersion }) => {
      requireProtocol(protocolVersion, 'the pruner');
      return Promise.resolve({
        protocolVersion: PROTOCOL_VERSION,
        softwareVersion: SOFTWARE_VERSION,
        threads,
        peakResidentBytes: peakResidentBytes(),
      });
    }),

    OpenModel: unary(options, 'OpenModel', async ({ run }, context) => {
      const { model, seqlen } = await openFor(run, context);
      return compute.call('openModel', { model, seqlen });
    }),

    OpenShard: unary(options, 'OpenShard', ({ run, shard, sequences, tokens }, context) =>
      turns.take(context.signal, async () => {
        const target = await openFor(run, context);
        if (
          tokens.length !== sequences * target.seqlen ||
          tokens.length > MAX_SHARD_TOKENS ||
          tokens.length === 0
        ) {
          throw new EsparseError(
            'usage',
            `shard ${shard}: ${tokens.length} tokens for ${sequences} sequences`,
          );
        }
        const { data, hidden: width } = await compute.call('embed', {
          target,
          tokens: Uint32Array.from(tokens),
        });
        context.signal.throwIfAborted();
        const { hidden: states } = await openHidden(target.store, target.run);
        await states.write(0, shard, { data, shape: [sequences, target.seqlen, width] });
        return {};
      }),
    ),

    StreamActivations: serverStream(
      options,
      'StreamActivations',
      ({ run, block, shard, taps, dense }, context) =>
        turns.stream(context.signal, async function* () {
          const { signal } = context;
          checkNames('taps', taps);
          const { store, run: fingerprint, model, seqlen } = await openFor(run, context);
          const states = await openHidden(store, fingerprint);
          const input = await states.hidden.read(block, shard, signal);
          const denseInput = dense ? await denseStates(states, block).read(block, shard, signal) : undefined;
          requireAlike(input, denseInput);
          const target = { model, seqlen, block };
          yield* streamTiles((hidden) => counted(block, compute.call('taps', { target, hidden })), input, {
            block,
            shard,
            taps,
            dense: denseInput,
            signal,
          });
        }),
      (tile) => {
        metrics?.tile(tile.data?.length ?? 0);
        freeLastPiece(tile);
      },
    ),

    GatherStatistics: serverStream(
      options,
      'GatherStatistics',
      ({ run, block, shards, taps, statistics }, context) =>
        turns.stream(context.signal, async function* () {
          const { signal } = context;
          checkShards(shards);
          checkNames('taps', taps);
          const { store, run: fingerprint, model, seqlen } = await openFor(run, context);
          const { hidden: states } = await openHidden(store, fingerprint);
          const target = { model, seqlen, block };
          yield* foldShards(
            (hidden) => counted(block, compute.call('taps', { target, hidden })),
            (shard) => states.read(block, shard, signal),
            { block, shards, taps, statistics: statisticsOf(statistics), signal },
          );
        }),
    ),

    AdvanceShard: unary(options, 'AdvanceShard', (request, context) => advance(request, context, 'pruned')),

    AdvanceDenseShard: unary(options, 'AdvanceDenseShard', (request, context) =>
      advance(request, context, 'dense'),
    ),
  };
}

/** A tap's activations are cut into pieces, in order: with the last one sent, all of them may go. */
function freeLastPiece({ data }: ActivationTile): void {
  const { buffer, byteOffset, byteLength } = data as Buffer;
  if (byteOffset + byteLength === buffer.byteLength) free(new Uint8Array(buffer));
}

/** Where the dense model's hidden states before a block are: before the first, those of both models are the same. */
function denseStates({ hidden, hiddenDense }: RunHiddenStates, block: number): HiddenStates {
  return block === 0 ? hidden : hiddenDense;
}

/** Refuses hidden states that are not of the same sequences. */
function requireAlike({ shape }: HiddenShard, other: HiddenShard | undefined): void {
  if (other === undefined || shape.join() === other.shape.join()) return;
  throw new EsparseError(
    'store',
    `hidden states of [${shape.join()}] beside dense ones of [${other.shape.join()}]`,
  );
}
