import type { DescribeReply__Output } from './generated/esparse/v1/DescribeReply.ts';
import type { GatherStatisticsReply__Output } from './generated/esparse/v1/GatherStatisticsReply.ts';
import type { TuneBlockReply__Output } from './generated/esparse/v1/TuneBlockReply.ts';
import type { OpenModelReply__Output } from './generated/esparse/v1/OpenModelReply.ts';
import type { WorkerIdentity } from './identity.ts';
import type { Tile, TileExpectation } from './tiles.ts';

/** The model, store and run that calls work on; paths as the worker sees them. */
export interface RunTarget extends Partial<WorkerIdentity> {
  readonly model: string;
  readonly store: string;
  /** Fingerprint of the run. */
  readonly run: string;
  readonly seqlen: number;
  /** Of a graph: the nodes If that are looked into, and whether the branch for true is taken. @default none */
  readonly branches?: Readonly<Record<string, boolean>> | undefined;
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
  /** Whether all tokens go to every expert. @default false */
  readonly allTokens?: boolean;
  /** Whether pieces may stay in the worker's GPU, to be read there, until `endGather`. @default false */
  readonly shares?: boolean;
}

/** How a block is to be tuned inside the worker. */
export interface TuneBlockRequest {
  readonly block: number;
  /** Those that hold the sequences, ascending. */
  readonly shards: readonly number[];
  /** Sequences of these shards that are used: the first ones. */
  readonly sequences: number;
  readonly steps: number;
  /** Sequences of a step. */
  readonly batch: number;
  readonly learningRate: number;
  /** Share of the dense model's own output in the target. */
  readonly dense: number;
  readonly heldOut: number;
  readonly seed: number;
  /** Linears that are not pruned, and tuned as integers of so many bits, with a scale for `group` weights of a row. @default none */
  readonly denseRounding?: {
    readonly bits: number;
    readonly group: number;
    readonly linears: string[];
  };
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
  /** The statistics of a block over shards: the bytes of one sketch, and how far the worker is. */
  gatherStatistics(
    target: RunTarget,
    request: GatherRequest,
    signal?: AbortSignal,
  ): AsyncIterable<GatherStatisticsReply__Output>;
  /** Gives back what `gatherStatistics` shared. */
  endGather(target: RunTarget, signal?: AbortSignal): Promise<void>;
  /** The tuned values of a block's draft, and how far the worker is. */
  tuneBlock(
    target: RunTarget,
    request: TuneBlockRequest,
    signal?: AbortSignal,
  ): AsyncIterable<TuneBlockReply__Output>;
  advanceShard(target: RunTarget, block: number, shard: number, signal?: AbortSignal): Promise<void>;
  /** As `advanceShard`, of the dense model's own hidden states, with the dense weights. */
  advanceDenseShard(target: RunTarget, block: number, shard: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}
