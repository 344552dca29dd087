import {
  credentials,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { openChannel } from './channel.ts';
import { fromServiceError } from './errors.ts';
import type { AdvanceShardReply__Output } from './generated/esparse/v1/AdvanceShardReply.ts';
import type { DescribeReply__Output } from './generated/esparse/v1/DescribeReply.ts';
import type { GatherStatisticsReply__Output } from './generated/esparse/v1/GatherStatisticsReply.ts';
import type { OpenModelReply__Output } from './generated/esparse/v1/OpenModelReply.ts';
import type { OpenShardReply__Output } from './generated/esparse/v1/OpenShardReply.ts';
import { identityOf, requireIdentity, type WorkerIdentity } from './identity.ts';
import { DESCRIBE_DEADLINE_MS, OPEN_DEADLINE_MS, SHARD_DEADLINE_MS } from './limits.ts';
import { readTiles } from './read-tiles.ts';
import type { Tile, TileExpectation } from './tiles.ts';
import { PROTOCOL_VERSION } from './version.ts';

/** The model, store and run that calls work on; paths as the worker sees them. */
export interface RunTarget extends Partial<WorkerIdentity> {
  readonly model: string;
  readonly store: string;
  /** Fingerprint of the run. */
  readonly run: string;
  readonly seqlen: number;
}

/** A shard's calibration tokens: sequences x seqlen ids. */
export interface ShardTokens {
  readonly shard: number;
  readonly sequences: number;
  readonly tokens: Uint32Array;
}

/** What is to be folded into statistics inside the worker. */
export interface GatherRequest {
  readonly block: number;
  /** Ascending, each once. */
  readonly shards: readonly number[];
  readonly taps: readonly string[];
  readonly statistics: readonly {
    readonly name: string;
    readonly version: number;
    readonly parameters: string;
  }[];
}

/**
 * The workers behind one target, as their client sees them: gRPC sends each call to the least busy one. Every call has
 * a deadline, can be cancelled and fails with an `EsparseError`. A worker that is not of the identity that the target
 * names is refused before its reply is used.
 */
export interface WorkerConnection {
  /** HOST:PORT, or a name of gRPC such as dns:///workers:7070. */
  readonly address: string;
  /** Workers that are connected now. */
  readonly ready: number;
  /** Why none is, where that is known. */
  readonly trouble: string | undefined;
  /** Connects, also without a call; `changed` is called whenever `ready` may have changed. */
  watch(changed: () => void): void;
  /** Bytes of all messages, sent and received. */
  readonly wireBytes: number;
  describe(signal?: AbortSignal): Promise<DescribeReply__Output>;
  openModel(target: RunTarget, signal?: AbortSignal): Promise<OpenModelReply__Output>;
  openShard(target: RunTarget, shard: ShardTokens, signal?: AbortSignal): Promise<void>;
  /**
   * The activations of a block over a shard, pulled: at most 16 messages and one HTTP/2 window wait here unread,
   * then the worker stops. Ending the iteration early, or the signal, cancels the call.
   */
  streamActivations(target: RunTarget, expected: TileExpectation, signal?: AbortSignal): AsyncIterable<Tile>;
  /** The statistics of a block over shards: the bytes of one partial, and how far the worker is. */
  gatherStatistics(
    target: RunTarget,
    request: GatherRequest,
    signal?: AbortSignal,
  ): AsyncIterable<GatherStatisticsReply__Output>;
  advanceShard(target: RunTarget, block: number, shard: number, signal?: AbortSignal): Promise<void>;
  /** As `advanceShard`, of the dense model's own hidden states, with the dense weights. */
  advanceDenseShard(target: RunTarget, block: number, shard: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** Between two tries gRPC has forgotten why the last one failed, and says so: what it said before is better. */
function told(error: string | null): error is string {
  return error !== null && !/Last error: null\b/.test(error);
}

/** Opens a connection to workers; nothing is sent before the first call, or `watch`. */
export function connectWorker(
  address: string,
  channelCredentials = credentials.createInsecure(),
): WorkerConnection {
  let ready = 0;
  let trouble: string | undefined;
  let wireBytes = 0;
  let changed: () => void = () => undefined;
  const client = openChannel(address, channelCredentials, {
    ready(workers, error) {
      ready = workers;
      trouble = workers > 0 ? undefined : told(error) ? error : trouble;
      changed();
    },
    message(bytes) {
      wireBytes += bytes;
    },
  });

  /** A call that answers once. */
  const unary = <Reply>(
    target: RunTarget | undefined,
    signal: AbortSignal | undefined,
    start: (done: (error: ServiceError | null, reply?: Reply) => void) => ClientUnaryCall,
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const call = start((error, reply) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(refusal() ?? fromServiceError(error, nameOf(call)));
        else if (target !== undefined && !check.told) reject(untold(nameOf(call)));
        else resolve(reply as Reply);
      });
      const check = identityCheck(call, target, () => nameOf(call));
      const refusal = () => check.refusal;
      const cancel = () => {
        call.cancel();
      };
      signal?.addEventListener('abort', cancel, { once: true });
    });

  /** The messages of a stream, pulled. */
  async function* stream<Message>(
    target: RunTarget,
    signal: AbortSignal | undefined,
    start: () => ClientReadableStream<Message>,
  ): AsyncGenerator<Message> {
    signal?.throwIfAborted();
    const call = start();
    const check = identityCheck(call, target, () => nameOf(call));
    const cancel = () => {
      call.cancel();
    };
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of call as AsyncIterable<Message>) {
        if (!check.told) throw untold(nameOf(call));
        yield message;
      }
      if (!check.told) throw untold(nameOf(call));
    } catch (error) {
      throw check.refusal ?? fromServiceError(error, nameOf(call));
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  /** The target, and which of its workers took the call where that is known. */
  const nameOf = (call: { getPeer(): string }) => {
    const peer = call.getPeer();
    return peer === address || !/^[\d.:[\]a-f]+$/.test(peer) ? address : `${address} (${peer})`;
  };
  const refOf = ({ numerics = '', modelDigest = '', ...target }: RunTarget) => ({
    ...target,
    numerics,
    modelDigest,
    protocolVersion: PROTOCOL_VERSION,
  });
  const within = (ms: number) => ({ deadline: Date.now() + ms });

  return {
    address,
    get ready() {
      return ready;
    },
    get trouble() {
      return trouble;
    },
    get wireBytes() {
      return wireBytes;
    },
    watch(listener) {
      changed = listener;
      client.getChannel().getConnectivityState(true);
    },
    async describe(signal) {
      const reply = await unary<DescribeReply__Output>(undefined, signal, (done) =>
        client.describe({ protocolVersion: PROTOCOL_VERSION }, within(DESCRIBE_DEADLINE_MS), done),
      );
      requireProtocol(reply.protocolVersion, `worker ${address}`);
      return reply;
    },
    openModel: (target, signal) =>
      unary<OpenModelReply__Output>(target, signal, (done) =>
        client.openModel({ run: refOf(target) }, within(OPEN_DEADLINE_MS), done),
      ),
    async openShard(target, { shard, sequences, tokens }, signal) {
      const request = { run: refOf(target), shard, sequences, tokens: [...tokens] };
      await unary<OpenShardReply__Output>(target, signal, (done) =>
        client.openShard(request, within(SHARD_DEADLINE_MS), done),
      );
    },
    streamActivations(target, expected, signal) {
      const { block, shard, taps, dense = false } = expected;
      const request = { run: refOf(target), block, shard, taps: [...taps.keys()], dense };
      const messages = stream(target, signal, () =>
        client.streamActivations(request, within(SHARD_DEADLINE_MS)),
      );
      return readTiles(messages, expected, address);
    },
    gatherStatistics(target, { block, shards, taps, statistics }, signal) {
      const request = {
        run: refOf(target),
        block,
        shards: [...shards],
        taps: [...taps],
        statistics: [...statistics],
      };
      const deadline = within(SHARD_DEADLINE_MS * Math.max(1, shards.length));
      return stream(target, signal, () => client.gatherStatistics(request, deadline));
    },
    async advanceShard(target, block, shard, signal) {
      await unary<AdvanceShardReply__Output>(target, signal, (done) =>
        client.advanceShard({ run: refOf(target), block, shard }, within(SHARD_DEADLINE_MS), done),
      );
    },
    async advanceDenseShard(target, block, shard, signal) {
      await unary<AdvanceShardReply__Output>(target, signal, (done) =>
        client.advanceDenseShard({ run: refOf(target), block, shard }, within(SHARD_DEADLINE_MS), done),
      );
    },
    close() {
      changed = () => undefined;
      client.close();
    },
  };
}

/** Watches what a call's metadata tell of the worker; one that does not belong to the run ends the call. */
function identityCheck(
  call: ClientUnaryCall | ClientReadableStream<unknown>,
  target: RunTarget | undefined,
  worker: () => string,
) {
  const check = { told: false, refusal: undefined as EsparseError | undefined };
  call.on('metadata', (metadata) => {
    if (target === undefined) return;
    const { numerics = '', modelDigest = '' } = target;
    const found = identityOf(metadata);
    check.told = found.numerics !== '' && found.modelDigest !== '';
    try {
      requireIdentity({ numerics, modelDigest }, found, worker());
    } catch (error) {
      check.refusal = toEsparseError(error);
      call.cancel();
    }
  });
  return check;
}

function untold(worker: string): EsparseError {
  return new EsparseError('protocol', `worker ${worker} does not tell how it computes`, {
    hint: 'run the same esparse version on both sides',
    context: { worker },
  });
}

/** @throws EsparseError `protocol` unless the peer speaks this version. */
export function requireProtocol(version: number, peer: string): void {
  if (version === PROTOCOL_VERSION) return;
  throw new EsparseError(
    'protocol',
    `${peer} speaks protocol version ${version}, this esparse speaks ${PROTOCOL_VERSION}`,
    {
      hint: 'run the same esparse version on both sides',
    },
  );
}
