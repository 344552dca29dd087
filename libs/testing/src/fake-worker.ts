import { Server, ServerCredentials } from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';
import {
  FLOW_CONTROL_WINDOW_BYTES,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  workerServiceDefinition,
} from '@esparse/protocol';
import { STATISTICS, type AnyStatistic } from '@esparse/statistics';
import type { Activations } from '@esparse/laws';
import { fakeHandlers } from './fake-handlers.ts';

/** What a fake worker streams. */
export interface FakeWorkerOptions {
  /** Channels of each tap of a block. */
  readonly taps: Readonly<Record<string, number>>;
  /** What it streams: see `syntheticTiles`. @default 'gaussian' */
  readonly activations?: Activations;
  /** @default 0 */
  readonly seed?: number;
  /** Statistics that it folds itself, under `--combine worker`. @default those of esparse */
  readonly statistics?: readonly AnyStatistic[];
  /** The numerics id that it reports. @default 'fake' */
  readonly numerics?: string;
}

/** A worker without a model: see `startFakeWorker`. */
export interface FakeWorker {
  /** HOST:PORT on loopback, as `prune --worker` takes it. */
  readonly address: string;
  /** The calls that it has answered or begun to answer, by method, in order. */
  readonly calls: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts a worker on a free loopback port of this process that speaks the protocol of the real one and computes nothing:
 * its activations are synthetic, and depend on seed, block, tap, shard, sequence, row and channel alone. It takes the
 * digest of any model for its own, and touches neither model nor store.
 */
export async function startFakeWorker(options: FakeWorkerOptions): Promise<FakeWorker> {
  const { taps, activations = 'gaussian', seed = 0, numerics = 'fake' } = options;
  const statistics = options.statistics ?? [...STATISTICS.values()];
  const calls: string[] = [];
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': MAX_REPLY_BYTES,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  });
  server.addService(
    workerServiceDefinition,
    fakeHandlers({ taps, activations, seed, numerics, statistics, called: (name) => calls.push(name) }),
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(new EsparseError('unavailable', `no port on loopback: ${error.message}`, { cause: error }));
    });
  });
  return {
    address: `127.0.0.1:${port}`,
    calls,
    close() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}
