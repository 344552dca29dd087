import { credentials, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';

import { fromServiceError } from './errors.ts';
import type { ActivationTile__Output } from './generated/esparse/v1/ActivationTile.ts';
import type { DescribeReply__Output } from './generated/esparse/v1/DescribeReply.ts';
import type { OpenModelReply__Output } from './generated/esparse/v1/OpenModelReply.ts';
import { FLOW_CONTROL_WINDOW_BYTES, MAX_REPLY_BYTES, MAX_REQUEST_BYTES } from './limits.ts';
import { WorkerService } from './service.ts';
import { readTile, type Tile, type TileExpectation } from './tiles.ts';
import { PROTOCOL_VERSION } from './version.ts';

/** The model, store and run that calls work on; paths as the worker sees them. */
export interface RunTarget {
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

/** One worker, as its client sees it. Every call can be cancelled and fails with an `EsparseError`. */
export interface WorkerConnection {
  readonly address: string;
  describe(signal?: AbortSignal): Promise<DescribeReply__Output>;
  openModel(target: RunTarget, signal?: AbortSignal): Promise<OpenModelReply__Output>;
  openShard(target: RunTarget, shard: ShardTokens, signal?: AbortSignal): Promise<void>;
  /**
   * The activations of a block over a shard, pulled: at most 16 messages and one HTTP/2 window wait here unread,
   * then the worker stops. Ending the iteration early, or the signal, cancels the call.
   */
  streamActivations(target: RunTarget, expected: TileExpectation, signal?: AbortSignal): AsyncIterable<Tile>;
  advanceShard(target: RunTarget, block: number, shard: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** How long a worker may take to answer its first call. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Opens a connection to a worker; nothing is sent before the first call. */
export function connectWorker(address: string): WorkerConnection {
  const client = new WorkerService(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_REPLY_BYTES,
    'grpc.max_send_message_length': MAX_REQUEST_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  });

  const unary = <Reply>(
    signal: AbortSignal | undefined,
    start: (done: (error: ServiceError | null, reply?: Reply) => void) => { cancel(): void },
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const call = start((error, reply) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(fromServiceError(error, address));
        else resolve(reply as Reply);
      });
      const cancel = () => {
        call.cancel();
      };
      signal?.addEventListener('abort', cancel, { once: true });
    });

  const refOf = (target: RunTarget) => ({ ...target, protocolVersion: PROTOCOL_VERSION });

  return {
    address,
    async describe(signal) {
      const deadline = Date.now() + CONNECT_TIMEOUT_MS;
      const reply = await unary<DescribeReply__Output>(signal, (done) =>
        client.describe({ protocolVersion: PROTOCOL_VERSION }, { deadline }, done),
      );
      requireProtocol(reply.protocolVersion, `worker ${address}`);
      return reply;
    },
    openModel: (target, signal) =>
      unary<OpenModelReply__Output>(signal, (done) => client.openModel({ run: refOf(target) }, done)),
    async openShard(target, { shard, sequences, tokens }, signal) {
      await unary(signal, (done) =>
        client.openShard({ run: refOf(target), shard, sequences, tokens: [...tokens] }, done),
      );
    },
    async *streamActivations(target, expected, signal) {
      signal?.throwIfAborted();
      const { block, shard, taps } = expected;
      const call = client.streamActivations({ run: refOf(target), block, shard, taps: [...taps.keys()] });
      yield* readTiles(call, expected, address, signal);
    },
    async advanceShard(target, block, shard, signal) {
      await unary(signal, (done) => client.advanceShard({ run: refOf(target), block, shard }, done));
    },
    close() {
      client.close();
    },
  };
}

async function* readTiles(
  call: ClientReadableStream<ActivationTile__Output>,
  expected: TileExpectation,
  address: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Tile> {
  const cancel = () => {
    call.cancel();
  };
  signal?.addEventListener('abort', cancel, { once: true });
  const rowsDue = expected.sequences * expected.seqlen * expected.taps.size;
  let rows = 0;
  try {
    let number = 0;
    for await (const message of call as AsyncIterable<ActivationTile__Output>) {
      const tile = readTile(message, number++, expected);
      rows += tile.rows;
      yield tile;
    }
  } catch (error) {
    throw fromServiceError(error, address);
  } finally {
    signal?.removeEventListener('abort', cancel);
    call.cancel();
  }
  if (rows !== rowsDue) {
    throw new EsparseError(
      'protocol',
      `worker ${address} sent ${rows} of ${rowsDue} rows of block ${expected.block}`,
      {
        context: { block: expected.block, shard: expected.shard },
      },
    );
  }
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
