import type { Branches } from '@esparse/checkpoint';
import type { HiddenValues, PluginLoader } from '@esparse/model';
import type { StoredHiddenShard } from '@esparse/store';
import type { WorkerDevice } from './device.ts';
import type { StatesKey } from './kept-states.ts';

/** A model and a sequence length; paths are checked already. */
export interface ModelTarget {
  readonly model: string;
  readonly seqlen: number;
  /** Of a graph: see `Branches` of @esparse/checkpoint. @default none */
  readonly branches?: Branches | undefined;
}

/** A block of it: with its dense weights, or with the pruned ones that a run has committed. */
export interface BlockTarget extends ModelTarget {
  readonly block: number;
  readonly pruned?: { readonly store: string; readonly run: string } | undefined;
}

/** Hidden states of one sequence, (seqlen x hidden), or of several where the device runs shards. */
export interface SequenceInput {
  readonly target: BlockTarget;
  readonly hidden: HiddenValues;
  /** How many. */
  readonly sequences: number;
}

/** Which statistics of a block are folded on the device. */
export interface FoldInput {
  readonly target: BlockTarget;
  /** Names of taps; all where there are none. */
  readonly taps: readonly string[];
  /** Names of statistics that come with esparse. */
  readonly statistics: readonly string[];
}

/** Hidden states of a shard: by their place, where the device keeps them, or as they were read. */
export interface ShardInput {
  readonly key: StatesKey;
  /** @default those that are kept */
  readonly read?: StoredHiddenShard | undefined;
}

/** A shard whose activations are folded on the device. */
export interface FoldShard {
  readonly target: BlockTarget;
  readonly own: ShardInput;
  /** The dense model's states of the same sequences, where a statistic needs them and they are not the same. */
  readonly dense?: ShardInput | undefined;
}

/** A shard that is run through a block on the device. */
export interface AdvanceShard {
  readonly target: BlockTarget;
  readonly from: ShardInput;
  /** The place of what comes out. */
  readonly to: StatesKey;
}

/** Which piece of which state. */
export interface FoldPiece {
  readonly tap: string;
  readonly statistic: string;
  readonly index: number;
}

/** Tokens of a shard, and how large their hidden states may be. */
export interface ShardTokens {
  readonly target: ModelTarget;
  readonly tokens: Uint32Array;
  /** More only where the shard is one sequence. */
  readonly maxBytes: number;
  /** Whether they are wanted in bf16. @default false */
  readonly rounded?: boolean;
  /** Their place, where the device is to keep them. @default it does not */
  readonly key?: StatesKey;
}

export interface ComputeOptions {
  /** Threads of ONNX Runtime on the CPU. */
  readonly threads: number;
  /** What runs blocks. @default 'cpu' */
  readonly device?: WorkerDevice | undefined;
  /** A model family that does not come with esparse. @default none */
  readonly family?: PluginLoader | undefined;
  /** An encoding that does not come with esparse. @default none */
  readonly encoding?: PluginLoader | undefined;
}
