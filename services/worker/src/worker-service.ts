import { totalmem } from 'node:os';
import {
  PROTOCOL_VERSION,
  SOFTWARE_VERSION,
  requireProtocol,
  type DescribeReply,
  type DescribeRequest__Output,
  type WorkerHandlers,
} from '@esparse/protocol';
import { peakResidentBytes } from '@esparse/telemetry';
import { serverStream, unary, type CallContext, type HandlerOptions } from './handlers.ts';
import { advanceDenseShard, advanceShard } from './methods/advance-shard.ts';
import { endGather, gatherStatistics } from './methods/gather-statistics.ts';
import { openShard } from './methods/open-shard.ts';
import type { WorkerParts } from './methods/parts.ts';
import { tuneBlock } from './methods/tune-block.ts';
import { freeLastPiece, streamActivations } from './methods/stream-activations.ts';
import { createOpenRun } from './open-run.ts';
import type { PathGuard } from './roots.ts';
import type { CallQueue } from './call-queue.ts';
import type { ComputeThread } from './start-compute.ts';

export interface WorkerServiceOptions extends HandlerOptions {
  readonly threads: number;
  /** Memory of the GPU that computes; 0 where none does by CUDA. */
  readonly gpuBytes: number;
  readonly compute: ComputeThread;
  readonly guard: PathGuard;
  /** Whether the device runs a block over all sequences of a shard at once. @default false */
  readonly wholeShards?: boolean | undefined;
  /** Calls that compute run one at a time. */
  readonly queue: CallQueue;
}

/** The methods of `esparse.v1.Worker`: paths are guarded, hidden states read and written here, the rest computed. */
export function createWorkerService(options: WorkerServiceOptions): WorkerHandlers {
  const { compute, guard, queue, wholeShards, metrics } = options;
  const parts: WorkerParts = {
    ...{ openRun: createOpenRun(guard, compute), compute, wholeShards, metrics },
  };

  /** A method that computes and answers once: beside others where shards are run whole, so that files are read and written meanwhile. */
  const computing = <Request, Reply>(
    name: string,
    method: (parts: WorkerParts, request: Request, context: CallContext) => Promise<Reply>,
  ) =>
    unary<Request, Reply>(options, name, (request, context) =>
      queue.run(context.signal, () => method(parts, request, context), true),
    );

  /** A method that computes and answers with a stream. */
  const streaming = <Request, Message>(
    name: string,
    method: (parts: WorkerParts, request: Request, context: CallContext) => AsyncIterable<Message>,
    onSent?: (message: Message) => void,
  ) =>
    serverStream<Request, Message>(
      options,
      name,
      (request, context) => queue.stream(context.signal, () => method(parts, request, context)),
      onSent,
    );

  return {
    Describe: unary(options, 'Describe', (request) => Promise.resolve(describe(request, options))),
    OpenModel: unary(options, 'OpenModel', async ({ run }, context) => {
      const { model, seqlen, branches } = await parts.openRun(run, context);
      return compute.call('openModel', { model, seqlen, branches });
    }),
    OpenShard: computing('OpenShard', openShard),
    StreamActivations: streaming('StreamActivations', streamActivations, (tile) => {
      metrics?.tile(tile.data?.length ?? 0);
      freeLastPiece(tile);
    }),
    GatherStatistics: streaming('GatherStatistics', gatherStatistics),
    EndGather: computing('EndGather', endGather),
    TuneBlock: streaming('TuneBlock', tuneBlock),
    AdvanceShard: computing('AdvanceShard', advanceShard),
    AdvanceDenseShard: computing('AdvanceDenseShard', advanceDenseShard),
  };
}

function describe(
  { protocolVersion }: DescribeRequest__Output,
  { threads, gpuBytes }: Pick<WorkerServiceOptions, 'threads' | 'gpuBytes'>,
): DescribeReply {
  requireProtocol(protocolVersion, 'the pruner');
  return {
    protocolVersion: PROTOCOL_VERSION,
    softwareVersion: SOFTWARE_VERSION,
    threads,
    gpuBytes,
    memoryBytes: memoryBytes(),
    peakResidentBytes: peakResidentBytes(),
  };
}

/** Of the machine, or of the part of it that this process may use: what a container is given. */
function memoryBytes(): number {
  // 0, or more than there is, where there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
